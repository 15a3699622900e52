"""Sentences of random numbers, to learn what a part of a graph computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_bert.formats.onnx.graph import Array, OnnxGraph
from edge_bert.records.checkpoint import FloatArray
from edge_bert.sources.onnx.inputs import IDS, MASK, POSITIONS
from edge_bert.sources.onnx.parts import require_few_tokens

LENGTH = 7
INT32 = 6  # onnx.TensorProto's number
TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Probe:
    """The graph's inputs for sentences that all have the same `count` of tokens, then padding."""

    batch: int
    length: int
    count: int
    inputs: Mapping[str, Array]

    def draw(self, seed: int, width: int, scale: float = 1.0) -> FloatArray:
        """Random numbers [batch, length, width]."""
        random = np.random.default_rng(seed)
        shape = (self.batch, self.length, width)
        return (scale * random.standard_normal(shape)).astype(np.float32)


def make_probes(graph: OnnxGraph, names: Mapping[str, str]) -> list[Probe]:
    """Probes without padding, and with some where the graph has a mask.

    Batch and length are those that the graph is fixed to, if it is.
    """
    ids = next(name for name in graph.inputs if names[name] == IDS)
    sizes = graph.inputs[ids].sizes or (None, None)
    batch, length = sizes[0] or 1, sizes[-1] or LENGTH
    require_few_tokens(batch, length)
    counts = {length, max(length - 2, 1), min(3, length)} if MASK in names.values() else {length}
    return [_make_probe(graph, names, batch, length, count) for count in sorted(counts)[::-1]]


def _make_probe(
    graph: OnnxGraph, names: Mapping[str, str], batch: int, length: int, count: int
) -> Probe:
    rows = {
        MASK: np.broadcast_to(np.arange(length) < count, (batch, length)),
        POSITIONS: np.broadcast_to(np.arange(length), (batch, length)),
    }
    inputs = {}
    for name, meaning in names.items():
        dtype = np.int32 if graph.inputs[name].element_type == INT32 else np.int64
        inputs[name] = rows.get(meaning, np.ones((batch, length))).astype(dtype)
    return Probe(batch, length, count, inputs)


def are_close(values: Array, expected: Array) -> bool:
    """Whether they are the same within the tolerance, of the largest number where it is above 1."""
    return relative_error(values, expected) <= TOLERANCE


def relative_error(values: Array, expected: Array) -> float:
    """The largest difference, as a fraction of the largest number where that is above 1."""
    if values.shape != expected.shape or not np.isfinite(values).all():
        return float("inf")
    largest = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(values - expected).max(initial=0.0)) / largest
