"""Ranges of every activation over a calibration set, in one pass and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.execute import execute
from edge_bert.quantize.integer.graph import Graph, Node
from edge_bert.quantize.integer.histogram import Histogram

Array = npt.NDArray[Any]
# How far below the highest score of its row a score no longer counts: 512 of them together have
# less than 1/2300 of the row, where half a step of an 8-bit share is 1/512.
NEGLIGIBLE = 14.0
UNSEEN = 0.3  # of the range: how much lower a row of a sentence not seen here may peak
SCORES = ".scores"


@dataclass
class Ranges:
    """A histogram of each activation, by name.

    `lowest_peak` holds, per BATCH_MATMUL of scores, the lowest of all rows' highest scores.
    """

    histograms: dict[str, Histogram] = field(default_factory=dict)
    lowest_peak: dict[str, float] = field(default_factory=dict)

    def see(self, node: Node, value: Array) -> None:
        """Take one operator's output into account."""
        name = node.output
        self.histograms.setdefault(name, Histogram()).see(value)
        if name.endswith(SCORES):
            peaks = min(float(value.max(axis=-1).min()), self.lowest_peak.get(name, np.inf))
            self.lowest_peak[name] = peaks

    def of_scores(self, name: str) -> tuple[float, float]:
        """From the score below which nothing counts in any row to the highest one."""
        lowest, high = self.lowest_peak[name], self.histograms[name].high
        return lowest - NEGLIGIBLE - UNSEEN * (high - lowest), high


def observe(sentences: Iterable[Mapping[str, Array]], graph_of: Callable[[int], Graph]) -> Ranges:
    """Run the float graph of each sentence's own length and keep the ranges of all activations."""
    ranges = Ranges()
    graphs: dict[int, Graph] = {}
    for sentence in sentences:
        length = sentence["input_ids"].shape[-1]
        graph = graphs.get(length) or graphs.setdefault(length, graph_of(length))
        execute(graph, sentence, ranges.see)
    return ranges
