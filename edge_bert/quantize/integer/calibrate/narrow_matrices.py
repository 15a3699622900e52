"""The matrices of a calibrated encoder in two or four bits, rounded by GPTQ.

LiteRT multiplies int8 rows by them in one operator, as it does by int8. Tables stay 8 bits: a
GATHER has one scale for all rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.weights import DenseWeights
from edge_bert.quantize.channelwise import MIN_SCALE
from edge_bert.quantize.gptq import Hessian, quantize_gptq_channels
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder, FfnGroup
from edge_bert.quantize.integer.ir.graph import OperatorGraph, OperatorNode
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.records.recipe import Recipe
from edge_bert.records.weight_bits import LEAST_SIDE, PER_BYTE, STEPS, WeightBits

MATRIX_ROLES = (
    TensorRole.QUERY,
    TensorRole.KEY,
    TensorRole.VALUE,
    TensorRole.ATTENTION_OUTPUT,
    TensorRole.FFN_IN,
    TensorRole.FFN_OUT,
)
Array = npt.NDArray[Any]


def narrow_matrices(calibrated: CalibratedEncoder, recipe: Recipe) -> CalibratedEncoder:
    """The encoder with the matrices of its layers in the bits of `recipe`, a scale per channel.

    Matrices of outlier neurons keep 8 bits; so do those that read an odd number of channels of the
    residual stream, some of which are split, and given integers that need more. Costs a pass over
    the calibration sentences.
    """
    if recipe.weight_bits >= 8:
        return calibrated
    if recipe.activation_bits == FLOAT:
        calibrated = calibrated.unsplit
    if not calibrated.constants:
        equalized = _fill_bytes(calibrated.equalized, PER_BYTE[recipe.weight_bits])
        calibrated = dataclasses.replace(calibrated, equalized=equalized)
    bits = WeightBits.of_recipe(recipe, calibrated.weights.config.layers)
    nodes = _find_nodes(calibrated.graph(1), bits)
    given = calibrated.constants
    rounded = {name: node for name, node in nodes.items() if name not in given}
    hessians = collect_moments(calibrated, rounded)
    constants = dict(given)
    for name, node in nodes.items():
        width = _width_of(calibrated.graph(1), node, bits)
        if name in given:
            constants[name] = _narrow_given(given[name], width)
        else:
            matrix = calibrated.graph(1).tensors[name].value
            constants[name] = _round_matrix(np.asarray(matrix), hessians[node.inputs[0]], width)
    return dataclasses.replace(calibrated, constants=constants)


def _fill_bytes(equalized: EqualizedEncoder, multiple: int) -> EqualizedEncoder:
    """The encoder with neurons of zeros, so that the rows of what reads neurons end with a byte.

    Any number of outlier neurons may have left the feed-forward matrices.
    """

    def pad(group: FfnGroup) -> FfnGroup:
        neurons = len(group.down.kernel)
        missing = -neurons % multiple if neurons >= LEAST_SIDE else 0
        up = DenseWeights(
            np.pad(group.up.kernel, ((0, 0), (0, missing))), np.pad(group.up.bias, (0, missing))
        )
        down = DenseWeights(np.pad(group.down.kernel, ((0, missing), (0, 0))), group.down.bias)
        return FfnGroup(up, down)

    layers = tuple(
        dataclasses.replace(layer, ffn=tuple(map(pad, layer.ffn))) for layer in equalized.layers
    )
    return dataclasses.replace(equalized, layers=layers)


def _find_nodes(graph: OperatorGraph, bits: WeightBits) -> dict[str, OperatorNode]:
    """The matrix products with less than 8 bits, by the name of their matrix."""
    return {node.inputs[1]: node for node in graph.nodes if _width_of(graph, node, bits) < 8}


def _width_of(graph: OperatorGraph, node: OperatorNode, bits: WeightBits) -> int:
    output = graph.tensors[node.output]
    if node.operator != "FULLY_CONNECTED" or output.role not in MATRIX_ROLES:
        return 8
    outputs, inputs = graph.shape(node.inputs[1])
    if output.layer is None or min(outputs, inputs) < LEAST_SIDE:
        return 8
    role = str(output.role.value).replace(".", "_")
    return bits.width_of(output.layer, role, inputs)


def collect_moments(
    calibrated: CalibratedEncoder, nodes: Mapping[str, OperatorNode]
) -> dict[str, Hessian]:
    """Sums of x xT over the rows x of every input of `nodes`, by name, over the calibration set."""
    sources = {node.inputs[0] for node in nodes.values()}
    moments: dict[str, Hessian] = {}

    def note(node: OperatorNode, value: Array) -> None:
        if node.output in sources:
            rows = value.reshape(-1, value.shape[-1]).astype(np.float32)
            square = (rows.T @ rows).astype(np.float64)
            moments[node.output] = moments.get(node.output, 0) + square

    graphs: dict[int, OperatorGraph] = {}
    for sentence in calibrated.sentences if sources else ():
        length = sentence["input_ids"].shape[-1]
        if length not in graphs:
            graphs[length] = calibrated.graph(length)
        interpret_graph(graphs[length], sentence, note)
    return moments


def _round_matrix(matrix: Array, hessian: Hessian, bits: int) -> QuantParams:
    values, scales = quantize_gptq_channels(np.asarray(matrix, np.float32), hessian, bits)
    live = np.abs(matrix).max(axis=1) > 0
    # A row of zeros gets a scale that XNNPACK takes: the largest of all rows.
    largest = scales[live].max() if live.any() else MIN_SCALE
    return QuantParams(np.where(live, scales, largest), 0, f"int{bits}", values)


def _narrow_given(given: QuantParams, bits: int) -> QuantParams:
    """The same integers in fewer bits where they fit."""
    values, (least, most) = given.value, STEPS[bits]
    if values is None or values.min() < least or values.max() > most:
        return given
    return dataclasses.replace(given, dtype=f"int{bits}")
