"""A calibrated encoder as the graphs of one recipe: its file before serialization."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, default_estimator
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator


@dataclass(frozen=True)
class RecipeGraphs:
    """`graph` gives the graph of a length in tokens; ranges are those of `calibrated`."""

    calibrated: CalibratedEncoder
    estimator: RangeEstimator
    graph: Callable[[int], OperatorGraph]


def build_recipe_graphs(
    calibrated: CalibratedEncoder,
    activation_bits: int,
    int16_tensors: Collection[str] | None = None,
    estimator: RangeEstimator | None = None,
) -> RecipeGraphs:
    """The graphs that `convert_integer` serializes for the same arguments."""
    encoder = calibrated.unsplit if activation_bits == FLOAT else calibrated
    return RecipeGraphs(
        calibrated=encoder,
        estimator=estimator or default_estimator(activation_bits),
        graph=lambda length: encoder.recipe_graph(length, activation_bits, int16_tensors),
    )
