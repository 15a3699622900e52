"""Fake quantization: the float graph of a recipe with a group of tensors rounded.

The graph runs operator by operator, and the tensors of the group are rounded and clipped to the
scales that the file would give them. Graphs of all lengths share their constants.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs
from edge_bert.quantize.integer.calibrate.assign_quant_params import (
    KEEPS_SCALE,
    assign_quant_params,
)
from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, OperatorNode, TensorKind
from edge_bert.quantize.integer.ir.interpret import Observer, interpret_graph
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.lower.tensor_groups import constant_groups
from edge_bert.quantize.uniform import round_to_step

Array = npt.NDArray[Any]
Sentence = Mapping[str, Array]
Outputs = list[Array]


def all_tensors(graph: OperatorGraph) -> frozenset[str]:
    """All integer activations, matrices and other constants of `graph`."""
    constants = frozenset().union(*(group.members for group in constant_groups(graph)))
    outputs = (graph.tensors[node.output] for node in graph.nodes)
    return constants | {tensor.name for tensor in outputs if tensor.bits != FLOAT}


class Constants:
    """The constants of an encoder, each stored once: in float, in integers, and dequantized.

    Several simulations of one calibration may share them: a name says the width too.
    """

    def __init__(self) -> None:
        self.values: dict[str, Array] = {}
        self.quantized: dict[str, QuantParams] = {}
        self._dequantized: dict[str, Array] = {}

    def shared(self, graph: OperatorGraph) -> OperatorGraph:
        """The graph with the arrays of the first graph that had each constant."""
        tensors = {name: self._share(tensor) for name, tensor in graph.tensors.items()}
        return dataclasses.replace(graph, tensors=tensors)

    def _share(self, tensor: GraphTensor) -> GraphTensor:
        if tensor.value is None:
            return tensor
        value = self.values.setdefault(tensor.name, tensor.value)
        return dataclasses.replace(tensor, value=value)

    def dequantized(self, name: str) -> Array:
        """The real values of a quantized constant."""
        if name not in self._dequantized:
            self._dequantized[name] = dequantize_constant(self.quantized[name])
        return self._dequantized[name]


class FakeQuant:
    """The graphs of all lengths of a recipe, with the quantization parameters of their tensors."""

    def __init__(self, recipe_graphs: RecipeGraphs, constants: Constants | None = None) -> None:
        self._recipe_graphs, self._constants = recipe_graphs, constants or Constants()
        self._constants.quantized |= recipe_graphs.calibrated.constants
        self._graphs: dict[int, OperatorGraph] = {}
        self._params: dict[int, dict[str, QuantParams]] = {}

    def graph(self, length: int) -> OperatorGraph:
        """The float graph for sentences of exactly `length` tokens, which need no padding."""
        if length not in self._graphs:
            source, constants = self._recipe_graphs, self._constants
            graph = constants.shared(source.graph(length))
            params = assign_quant_params(
                graph, source.calibrated.ranges, source.estimator, constants.quantized
            )
            self._graphs[length], self._params[length] = graph, params
            for tensor in graph.tensors.values():
                if tensor.value is not None and tensor.kind is not TensorKind.BIAS:
                    constants.quantized.setdefault(tensor.name, params[tensor.name])
        return self._graphs[length]

    def params(self, length: int) -> dict[str, QuantParams]:
        """The quantization parameters of the tensors of `graph(length)`."""
        self.graph(length)
        return self._params[length]

    def constants(self, length: int) -> dict[str, Array]:
        """The constants of `graph(length)` by name, in real numbers as the file has them.

        Whole numbers (ids, shapes, axes) are int32.
        """
        params, values = self.params(length), dict[str, Array]()
        for name, tensor in self.graph(length).tensors.items():
            if tensor.value is None:
                continue
            if tensor.kind in (TensorKind.INDEX, TensorKind.IDS):
                values[name] = tensor.value.astype(np.int32)
            elif tensor.kind is TensorKind.BIAS:
                values[name] = dequantize_constant(params[name])
            elif tensor.bits == FLOAT:
                values[name] = tensor.value.astype(np.float32)
            else:
                values[name] = self._constants.dequantized(name)
        return values

    def outputs(
        self, sentences: Sequence[Sentence], members: frozenset[str] | None = None
    ) -> Outputs:
        """The output of every sentence when the tensors in `members` are quantized; None is all."""
        graphs: dict[int, tuple[OperatorGraph, Observer]] = {}
        outputs = []
        for sentence in sentences:
            length = sentence["input_ids"].shape[-1]
            if length not in graphs:
                graph = self.graph(length)
                names = all_tensors(graph) if members is None else members
                rounding = self._rounding(length, names)
                graphs[length] = self._with_constants(graph, names), rounding
            graph, rounding = graphs[length]
            outputs.append(interpret_graph(graph, sentence, rounding))
        return outputs

    def _rounding(self, length: int, members: frozenset[str]) -> Observer:
        params = self._params[length]

        def round_output(node: OperatorNode, value: Array) -> None:
            if node.output in members and node.operator not in KEEPS_SCALE:
                value[...] = fake_quantize(value, params[node.output])

        return round_output

    def _with_constants(self, graph: OperatorGraph, members: frozenset[str]) -> OperatorGraph:
        """The graph with quantized constants: those in `members`, and the biases of nodes there.

        A bias goes with its node because it may hold the half step that turns rounding to nearest
        into rounding down.
        """
        biases = {node.inputs[2] for node in graph.nodes if _has_bias(node, members)}
        params = self._params[graph.length]
        tensors = dict(graph.tensors)
        for name, tensor in graph.tensors.items():
            if name in biases:
                value = dequantize_constant(params[name])
                tensors[name] = dataclasses.replace(tensor, value=value)
            elif name in members and tensor.value is not None:
                tensors[name] = dataclasses.replace(tensor, value=self._constants.dequantized(name))
        return dataclasses.replace(graph, tensors=tensors)


def _has_bias(node: OperatorNode, members: frozenset[str]) -> bool:
    return node.operator == "FULLY_CONNECTED" and node.output in members


def fake_quantize(value: Array, params: QuantParams) -> Array:
    """`value` rounded and clipped to the integers of `params`, as real numbers."""
    scale, limits = float(params.scale[0]), np.iinfo(params.dtype)
    least, most = limits.min - params.zero_point, limits.max - params.zero_point
    return np.asarray(round_to_step(value, scale, least, most) * scale, value.dtype)


def dequantize_constant(params: QuantParams) -> Array:
    """The real values of a quantized constant."""
    if params.value is None:
        raise ValueError("only constants have values before a graph runs")
    steps, scale = params.value.astype(np.float64) - params.zero_point, params.scale
    if steps.ndim > 1:
        scale = scale.reshape(-1, *[1] * (steps.ndim - 1))
    return np.asarray(steps * scale, np.float32)


def output_cosines(outputs: Outputs, expected: Outputs) -> npt.NDArray[np.float64]:
    """The cosine of each output to its expected value."""
    pairs = zip(outputs, expected, strict=True)
    return np.array([_cosine(first.reshape(-1), second.reshape(-1)) for first, second in pairs])


def _cosine(first: Array, second: Array) -> float:
    norms = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(first @ second) / norms if norms else float(np.array_equal(first, second))
