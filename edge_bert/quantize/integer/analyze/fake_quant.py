"""Integers simulated in float: what a group of tensors costs when it alone is rounded.

The float graph of a recipe runs operator by operator, and what a group holds is rounded and clipped
to the scales that the file would give it. Graphs of all lengths share their constants.
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
from edge_bert.quantize.integer.ir.interpret import See, interpret_graph
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.lower.tensor_groups import constant_groups
from edge_bert.quantize.uniform import round_to_step

Array = npt.NDArray[Any]
Sentence = Mapping[str, Array]
Outputs = list[Array]


def all_tensors(graph: OperatorGraph) -> frozenset[str]:
    """All integer activations, matrices and other constants of `graph`."""
    fixed = frozenset().union(*(group.members for group in constant_groups(graph)))
    return fixed | {node.output for node in graph.nodes if graph.tensors[node.output].bits != FLOAT}


class Constants:
    """The constants of an encoder, each once: in float, in integers, and what these stand for.

    Several simulations of one calibration may share them: a name says the width too.
    """

    def __init__(self) -> None:
        self.values: dict[str, Array] = {}
        self.quantized: dict[str, QuantParams] = {}
        self._real: dict[str, Array] = {}

    def shared(self, graph: OperatorGraph) -> OperatorGraph:
        """The graph with constants that no other graph holds a copy of."""
        tensors = {name: self._known(tensor) for name, tensor in graph.tensors.items()}
        return dataclasses.replace(graph, tensors=tensors)

    def _known(self, tensor: GraphTensor) -> GraphTensor:
        if tensor.value is None:
            return tensor
        known = self.values.setdefault(tensor.name, tensor.value)
        return dataclasses.replace(tensor, value=known)

    def dequantized(self, name: str) -> Array:
        """The real values of a quantized constant."""
        if name not in self._real:
            self._real[name] = dequantize_constant(self.quantized[name])
        return self._real[name]


class FakeQuant:
    """The graphs of all lengths of a recipe, with the quantization parameters of their tensors."""

    def __init__(self, source: RecipeGraphs, shared: Constants | None = None) -> None:
        self._source, self._constants = source, shared or Constants()
        self._graphs: dict[int, OperatorGraph] = {}
        self._quantized: dict[int, dict[str, QuantParams]] = {}

    def graph(self, length: int) -> OperatorGraph:
        """The float graph for sentences of exactly `length` tokens, which need no padding."""
        if length not in self._graphs:
            graph = self._constants.shared(self._source.graph(length))
            ranges, observer = self._source.calibrated.ranges, self._source.estimator
            found = assign_quant_params(graph, ranges, observer, self._constants.quantized)
            self._graphs[length], self._quantized[length] = graph, found
            fixed = (each for each in graph.tensors.values() if each.value is not None)
            for each in fixed:
                if each.kind is not TensorKind.BIAS:
                    self._constants.quantized.setdefault(each.name, found[each.name])
        return self._graphs[length]

    def outputs(
        self, sentences: Sequence[Sentence], members: frozenset[str] | None = None
    ) -> Outputs:
        """The output of every sentence when the tensors in `members` are quantized; None is all."""
        graphs: dict[int, tuple[OperatorGraph, frozenset[str]]] = {}
        found = []
        for sentence in sentences:
            length = sentence["input_ids"].shape[-1]
            if length not in graphs:
                graph = self.graph(length)
                chosen = all_tensors(graph) if members is None else members
                graphs[length] = self._with_constants(graph, chosen), chosen
            graph, chosen = graphs[length]
            found.append(interpret_graph(graph, sentence, self._rounding(graph, chosen)))
        return found

    def _rounding(self, graph: OperatorGraph, members: frozenset[str]) -> See:
        quantized = self._quantized[graph.length]

        def see(node: OperatorNode, value: Array) -> None:
            if node.output in members and node.operator not in KEEPS_SCALE:
                value[...] = fake_quantize(value, quantized[node.output])

        return see

    def _with_constants(self, graph: OperatorGraph, members: frozenset[str]) -> OperatorGraph:
        """The graph with quantized constants: those in `members`, and the biases of nodes there.

        A bias goes with its node because it may hold the half step that turns rounding to nearest
        into rounding down.
        """
        biases = {node.inputs[2] for node in graph.nodes if _has_bias(node, members)}
        quantized = self._quantized[graph.length]
        tensors = dict(graph.tensors)
        for name, tensor in graph.tensors.items():
            if name in biases:
                tensors[name] = dataclasses.replace(
                    tensor, value=dequantize_constant(quantized[name])
                )
            elif name in members and tensor.value is not None:
                tensors[name] = dataclasses.replace(tensor, value=self._constants.dequantized(name))
        return dataclasses.replace(graph, tensors=tensors)


def _has_bias(node: OperatorNode, members: frozenset[str]) -> bool:
    return node.operator == "FULLY_CONNECTED" and node.output in members


def fake_quantize(value: Array, how: QuantParams) -> Array:
    """What is left of `value` in the integers of `how`."""
    scale, limits = float(how.scale[0]), np.iinfo(how.dtype)
    least, most = limits.min - how.zero_point, limits.max - how.zero_point
    return np.asarray(round_to_step(value, scale, least, most) * scale, value.dtype)


def dequantize_constant(how: QuantParams) -> Array:
    """The real values of a quantized constant."""
    if how.value is None:
        raise ValueError("only constants have values before a graph runs")
    steps = how.value.astype(np.float64) - how.zero_point
    apart = how.scale.reshape(-1, *[1] * (steps.ndim - 1)) if steps.ndim > 1 else how.scale
    return np.asarray(steps * apart, np.float32)


def output_cosines(values: Outputs, expected: Outputs) -> npt.NDArray[np.float64]:
    """The cosine of each output to what it should be."""
    pairs = zip(values, expected, strict=True)
    return np.array([_cosine(value.reshape(-1), right.reshape(-1)) for value, right in pairs])


def _cosine(value: Array, right: Array) -> float:
    lengths = float(np.linalg.norm(value)) * float(np.linalg.norm(right))
    return float(value @ right) / lengths if lengths else float(np.array_equal(value, right))
