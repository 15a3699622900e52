"""The int8 matrices of a calibrated encoder rounded by GPTQ, without training.

Rounded to the nearest, weights are a twentieth of the error of a full-integer file. GPTQ rounds
them so that they undo each other's error on the rows of the calibration set.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_bert.quantize.gptq import quantize_gptq_int8
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.calibrate.narrow_matrices import MATRIX_ROLES, collect_moments
from edge_bert.quantize.integer.ir.graph import Array, OperatorGraph, OperatorNode
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.recover_grid import recover_grid


def round_matrices(calibrated: CalibratedEncoder, activation_bits: int) -> CalibratedEncoder:
    """The encoder with all int8 matrices of its layers rounded by GPTQ, at the scales they have.

    Matrices whose integers are given, or that lie on a grid, keep them. Costs a pass over the
    calibration sentences.
    """
    if activation_bits == FLOAT:
        calibrated = calibrated.unsplit
    graph = calibrated.graph(1)
    nodes = {name: node for name, node in _find_nodes(graph) if name not in calibrated.constants}
    moments = collect_moments(calibrated, nodes)
    constants = dict(calibrated.constants)
    for name, node in nodes.items():
        values, scales = quantize_gptq_int8(_matrix(graph, node), moments[node.inputs[0]])
        constants[name] = QuantParams(scales, 0, "int8", values)
    return dataclasses.replace(calibrated, constants=constants)


def _find_nodes(graph: OperatorGraph) -> list[tuple[str, OperatorNode]]:
    """The products of layers with their matrices, by the name of the matrix; none on a grid."""
    return [
        (node.inputs[1], node)
        for node in graph.nodes
        if node.operator == "FULLY_CONNECTED"
        and graph.tensors[node.output].role in MATRIX_ROLES
        and recover_grid(_matrix(graph, node)) is None
    ]


def _matrix(graph: OperatorGraph, node: OperatorNode) -> Array:
    return np.asarray(graph.tensors[node.inputs[1]].value, np.float32)
