"""Ranges of every activation over a calibration set, in one pass and bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, OperatorNode
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.statistics.histogram import Histogram

Array = npt.NDArray[Any]
Range = tuple[float, float]
# How far below the highest score of its row a score no longer counts: 512 of them together have
# less than 1/2300 of the row, where half a step of an 8-bit probability is 1/512.
NEGLIGIBLE = 14.0
MARGIN = 0.3  # of the range: how much lower a row of an unseen sentence may peak
SUBSETS = 8


@dataclass
class ActivationRanges:
    """A histogram of each activation, by name.

    `score_peaks` holds, per layer, the lowest and the highest of all rows' highest scores;
    `subsets`, for each of SUBSETS shares of the sentences, the extremes of each activation;
    `learned` the ranges that training found, which hold as they are.
    """

    histograms: dict[str, Histogram] = field(default_factory=dict)
    score_peaks: dict[int | None, Range] = field(default_factory=dict)
    subsets: tuple[dict[str, Range], ...] = field(
        default_factory=lambda: tuple({} for _ in range(SUBSETS))
    )
    learned: Mapping[str, Range] = field(default_factory=dict)

    def update(self, tensor: GraphTensor, value: Array, subset: int = 0) -> None:
        """Take one activation of one sentence into account."""
        extremes = self.histograms.setdefault(tensor.name, Histogram()).update(value)
        _extend(self.subsets[subset], tensor.name, extremes)
        if tensor.role is TensorRole.SCORES:
            peaks = value.max(axis=-1)
            _extend(self.score_peaks, tensor.layer, (float(peaks.min()), float(peaks.max())))

    def score_range(self, layer: int | None) -> Range:
        """The range, with a margin, of the scores of a layer that count in any row."""
        lowest, highest = self.score_peaks[layer]
        return lowest - NEGLIGIBLE - MARGIN * (highest - lowest), highest


def _extend(ranges: dict[Any, Range], key: Any, extremes: Range) -> None:
    low, high = ranges.get(key, extremes)
    ranges[key] = min(low, extremes[0]), max(high, extremes[1])


def collect_ranges(
    sentences: Iterable[Mapping[str, Array]], graph_of: Callable[[int], OperatorGraph]
) -> ActivationRanges:
    """Run the float graph of each sentence's own length and collect the activations' ranges."""
    ranges = ActivationRanges()
    graphs: dict[int, OperatorGraph] = {}
    for index, sentence in enumerate(sentences):
        length = sentence["input_ids"].shape[-1]
        graph = graphs.get(length) or graphs.setdefault(length, graph_of(length))
        subset = index % SUBSETS
        interpret_graph(graph, sentence, functools.partial(_record, ranges, graph, subset))
    return ranges


def _record(
    ranges: ActivationRanges, graph: OperatorGraph, subset: int, node: OperatorNode, value: Array
) -> None:
    ranges.update(graph.tensors[node.output], value, subset)
