"""A calibrated encoder as the graphs of one recipe: what its file is, before it is bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, default_observer
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator


@dataclass(frozen=True)
class RecipeGraphs:
    """`graph` gives that of a length in tokens; ranges are those of `calibrated`."""

    calibrated: CalibratedEncoder
    observer: RangeEstimator
    graph: Callable[[int], OperatorGraph]


def graphs_of(
    calibrated: CalibratedEncoder,
    activation_bits: int,
    observer: RangeEstimator | None = None,
    wide: Collection[str] | None = None,
) -> RecipeGraphs:
    """The graphs that `convert_integer` makes a file of when it is given the same."""
    start = calibrated.unsplit if activation_bits == FLOAT else calibrated
    return RecipeGraphs(
        calibrated=start,
        observer=observer or default_observer(activation_bits),
        graph=lambda length: start.graph_of(length, activation_bits, wide),
    )
