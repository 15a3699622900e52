"""The sensitivity search: groups of tensors quantized one at a time, in order of their harm.

The integers are simulated: the float graph runs operator by operator, and what a group holds is
rounded and clipped to the scales that the integer file would give it. Requires: the
calibration that the artifact was made with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.convert import Calibrated
from edge_bert.quantize.integer.execute import execute
from edge_bert.quantize.integer.graph import Graph, Node
from edge_bert.quantize.integer.groups import Group, constants
from edge_bert.quantize.integer.observers import Observer
from edge_bert.quantize.integer.scales import KEEPS_SCALE, Quantized, assign
from edge_bert.records.explanation import Harm

Array = npt.NDArray[Any]
Sentence = Mapping[str, Array]
Outputs = list[Array]
EVERYTHING = "everything"


def sensitivity(
    calibrated: Calibrated,
    observer: Observer,
    sentences: Sequence[Sentence],
    groups: Sequence[Group],
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Harm, ...]:
    """The harm of each group, the most harmful first, after that of everything together.

    `sentences` are inputs [1, n] by name without padding, best none that gave the ranges. Every
    group costs two float runs of every sentence.
    """
    simulation = Simulation(calibrated, observer)
    longest = simulation.graph(max(each["input_ids"].shape[-1] for each in sentences))
    whole = everything(longest)
    expected = simulation.outputs(sentences, frozenset())
    quantized = simulation.outputs(sentences, whole)
    together = _cosines(quantized, expected)

    def harm(group: Group) -> Harm:
        progress(f"sensitivity: {group.name}")
        alone = _cosines(simulation.outputs(sentences, group.members), expected)
        spared = _cosines(simulation.outputs(sentences, whole - group.members), expected)
        return _harm(group, longest, alone, spared - together)

    found = [harm(group) for group in groups]
    total = Group(EVERYTHING, whole)
    first = _harm(total, longest, together, 1.0 - together)
    return (first, *sorted(found, key=lambda each: -each.harm))


def everything(graph: Graph) -> frozenset[str]:
    """All activations, matrices and other constants of `graph`."""
    fixed = frozenset().union(*(group.members for group in constants(graph)))
    return fixed | {node.output for node in graph.nodes}


class Simulation:
    """The float graphs of all lengths, with the quantization parameters of their tensors."""

    def __init__(self, calibrated: Calibrated, observer: Observer) -> None:
        self._calibrated, self._observer = calibrated, observer
        self._graphs: dict[int, Graph] = {}
        self._quantized: dict[int, dict[str, Quantized]] = {}

    def graph(self, length: int) -> Graph:
        """The float graph for sentences of exactly `length` tokens, which need no padding."""
        if length not in self._graphs:
            graph = self._calibrated.graph(length)
            self._graphs[length] = graph
            self._quantized[length] = assign(graph, self._calibrated.ranges, self._observer)
        return self._graphs[length]

    def outputs(self, sentences: Sequence[Sentence], members: frozenset[str]) -> Outputs:
        """The output of every sentence when the tensors in `members` are quantized."""
        graphs: dict[int, Graph] = {}
        found = []
        for sentence in sentences:
            length = sentence["input_ids"].shape[-1]
            if length not in graphs:
                graphs[length] = self._with_constants(self.graph(length), members)
            quantized = self._quantized[length]

            def see(node: Node, value: Array, known: Mapping[str, Quantized] = quantized) -> None:
                if node.output in members and node.operator not in KEEPS_SCALE:
                    value[...] = fake_quantized(value, known[node.output])

            found.append(execute(graphs[length], sentence, see))
        return found

    def _with_constants(self, graph: Graph, members: frozenset[str]) -> Graph:
        """The graph with quantized constants: those in `members`, and the biases of nodes there.

        A bias goes with its node because it may hold the half step that turns rounding to nearest
        into rounding down.
        """
        biases = {node.inputs[2] for node in graph.nodes if _has_bias(node, members)}
        quantized = self._quantized[graph.length]
        tensors = dict(graph.tensors)
        for name, tensor in graph.tensors.items():
            if name in biases or (name in members and tensor.value is not None):
                tensors[name] = dataclasses.replace(tensor, value=real(quantized[name]))
        return dataclasses.replace(graph, tensors=tensors)


def _has_bias(node: Node, members: frozenset[str]) -> bool:
    return node.operator == "FULLY_CONNECTED" and node.output in members


def fake_quantized(value: Array, how: Quantized) -> Array:
    """What is left of `value` in the integers of `how`."""
    scale, limits = float(how.scale[0]), np.iinfo(how.dtype)
    steps = np.clip(np.round(value / scale) + how.zero_point, limits.min, limits.max)
    return np.asarray((steps - how.zero_point) * scale, value.dtype)


def real(how: Quantized) -> Array:
    """The real values of a quantized constant."""
    if how.value is None:
        raise ValueError("only constants have values before a graph runs")
    steps = how.value.astype(np.float64) - how.zero_point
    apart = how.scale.reshape(-1, *[1] * (steps.ndim - 1)) if steps.ndim > 1 else how.scale
    return np.asarray(steps * apart, np.float32)


def _cosines(values: Outputs, expected: Outputs) -> npt.NDArray[np.float64]:
    pairs = zip(values, expected, strict=True)
    return np.array([_cosine(value.reshape(-1), right.reshape(-1)) for value, right in pairs])


def _cosine(value: Array, right: Array) -> float:
    lengths = float(np.linalg.norm(value)) * float(np.linalg.norm(right))
    return float(value @ right) / lengths if lengths else float(np.array_equal(value, right))


def _harm(group: Group, graph: Graph, cosines: Array, gains: Array) -> Harm:
    nodes = [node for node in graph.nodes if node.output in group.members]
    return Harm(
        group=group.name,
        tensors=len(group.members),
        elements=sum(_size(graph, node.output) for node in nodes),
        operations=sum(_operations(graph, node) for node in nodes),
        harm=round(1.0 - float(cosines.mean()), 7),
        worst_harm=round(1.0 - float(cosines.min()), 7),
        relief=round(float(np.median(gains)), 7),
    )


def _size(graph: Graph, name: str) -> int:
    return int(np.prod(graph.shape(name)))


def _operations(graph: Graph, node: Node) -> int:
    size = _size(graph, node.output)
    if node.operator in ("FULLY_CONNECTED", "BATCH_MATMUL"):
        return size * graph.shape(node.inputs[0])[-1]
    return 0 if node.operator in KEEPS_SCALE else size
