"""A calibrated encoder as the graphs of one recipe: what its file is, before it is bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_bert.quantize.integer.calibrate.calibrate import Calibrated, default_observer
from edge_bert.quantize.integer.ir.graph import Graph
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.statistics.range_estimators import Observer


@dataclass(frozen=True)
class RecipeGraphs:
    """`graph` gives that of a length in tokens; ranges are those of `calibrated`."""

    calibrated: Calibrated
    observer: Observer
    graph: Callable[[int], Graph]


def graphs_of(
    calibrated: Calibrated,
    activation_bits: int,
    observer: Observer | None = None,
    wide: Callable[[str], bool] | None = None,
) -> RecipeGraphs:
    """The graphs that `convert_integer` makes a file of when it is given the same."""
    start = calibrated.unsplit if activation_bits == FLOAT else calibrated
    return RecipeGraphs(
        calibrated=start,
        observer=observer or default_observer(activation_bits),
        graph=lambda length: start.graph_of(length, activation_bits, wide),
    )
