"""Ranges of every activation over a calibration set, in one pass and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.execute import execute
from edge_bert.quantize.integer.graph import Graph, Node

Array = npt.NDArray[Any]
# How far below the highest score of its row a score no longer counts: exp(-10) is 1/22000.
NEGLIGIBLE = 10.0


@dataclass
class Ranges:
    """The smallest and largest value of each activation, by name.

    `lowest_peak` holds, per BATCH_MATMUL of scores, the lowest of all rows' highest scores.
    """

    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    lowest_peak: dict[str, float] = field(default_factory=dict)

    def see(self, node: Node, value: Array) -> None:
        """Take one operator's output into account."""
        name = node.output
        self.low[name] = min(self.low.get(name, np.inf), float(value.min()))
        self.high[name] = max(self.high.get(name, -np.inf), float(value.max()))
        if name.endswith(".scores"):
            peaks = min(float(value.max(axis=-1).min()), self.lowest_peak.get(name, np.inf))
            self.lowest_peak[name] = peaks

    def floor_of_scores(self, name: str) -> float:
        """The score below which nothing counts in any row: the end of a useful range."""
        return max(self.low[name], self.lowest_peak[name] - NEGLIGIBLE)


def observe(sentences: Iterable[Mapping[str, Array]], graph_of: Callable[[int], Graph]) -> Ranges:
    """Run the float graph of each sentence's own length and keep the ranges of all activations."""
    ranges = Ranges()
    graphs: dict[int, Graph] = {}
    for sentence in sentences:
        length = sentence["input_ids"].shape[-1]
        graph = graphs.get(length) or graphs.setdefault(length, graph_of(length))
        execute(graph, sentence, ranges.see)
    return ranges
