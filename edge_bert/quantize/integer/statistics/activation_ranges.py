"""Ranges of every activation over a calibration set, in one pass and bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.ir.graph import OperatorGraph, OperatorNode
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.statistics.histogram import Histogram

Array = npt.NDArray[Any]
Extremes = dict[str, tuple[float, float]]
# How far below the highest score of its row a score no longer counts: 512 of them together have
# less than 1/2300 of the row, where half a step of an 8-bit share is 1/512.
NEGLIGIBLE = 14.0
UNSEEN = 0.3  # of the range: how much lower a row of a sentence not seen here may peak
SCORES = ".scores"
PARTS = 8


@dataclass
class ActivationRanges:
    """A histogram of each activation, by name.

    `lowest_peak` holds, per BATCH_MATMUL of scores, the lowest of all rows' highest scores;
    `parts`, per activation, the extremes of each of PARTS parts of the sentences.
    """

    histograms: dict[str, Histogram] = field(default_factory=dict)
    lowest_peak: dict[str, float] = field(default_factory=dict)
    parts: tuple[Extremes, ...] = field(default_factory=lambda: tuple({} for _ in range(PARTS)))

    def update(self, node: OperatorNode, value: Array, part: int = 0) -> None:
        """Take one operator's output into account."""
        name = node.output
        low, high = self.histograms.setdefault(name, Histogram()).update(value)
        least, most = self.parts[part].get(name, (low, high))
        self.parts[part][name] = min(low, least), max(high, most)
        if name.endswith(SCORES):
            peaks = min(float(value.max(axis=-1).min()), self.lowest_peak.get(name, np.inf))
            self.lowest_peak[name] = peaks

    def of_scores(self, name: str) -> tuple[float, float]:
        """From the score below which nothing counts in any row to the highest one."""
        lowest, high = self.lowest_peak[name], self.histograms[name].high
        return lowest - NEGLIGIBLE - UNSEEN * (high - lowest), high


def collect_ranges(
    sentences: Iterable[Mapping[str, Array]], graph_of: Callable[[int], OperatorGraph]
) -> ActivationRanges:
    """Run the float graph of each sentence's own length and keep the ranges of all activations."""
    ranges = ActivationRanges()
    graphs: dict[int, OperatorGraph] = {}
    for place, sentence in enumerate(sentences):
        length = sentence["input_ids"].shape[-1]
        graph = graphs.get(length) or graphs.setdefault(length, graph_of(length))
        interpret_graph(graph, sentence, functools.partial(ranges.update, part=place % PARTS))
    return ranges
