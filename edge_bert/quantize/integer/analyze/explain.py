"""What an integer file's tensors stand for in float, and which channels of the float are outliers.

Requires: the calibration that the file was made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.ir.graph import OperatorGraph, OperatorNode
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.ir.tensor_role import MASK_ROLES, SCORE_ROLES
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.lower.tensor_groups import group_of, layer_label
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks

Array = npt.NDArray[Any]
MOVES = ("RESHAPE", "TRANSPOSE", "SLICE")  # what they give, their input has shown already
OUTLIER_RATIO = 8.0  # times the median channel's peak


@dataclass(frozen=True)
class Place:
    """An operator's output: where it stands, and whether its last axis are channels."""

    name: str
    layer: str
    kind: str
    operator: str
    by_channel: bool


@dataclass(frozen=True)
class OutlierChannel:
    """A channel whose peak stands far out, with the id and the position of the token it is at."""

    place: str
    channel: int
    peak: float
    typical: float
    token_id: int
    position: int


def shown_tensors(source: RecipeGraphs) -> tuple[Place, ...]:
    """The integer outputs worth showing, in the order of execution.

    An axis whose size is the same for one token and for two is not an axis of tokens.
    """
    one, two = source.graph(1), source.graph(2)
    return tuple(
        Place(
            name=node.output,
            layer=layer_label(one.tensors[node.output]),
            kind=group_of(one.tensors[node.output]).value,
            operator=node.operator,
            by_channel=1 < one.shape(node.output)[-1] == two.shape(node.output)[-1],
        )
        for node in one.nodes
        if node.operator not in MOVES
        and one.tensors[node.output].role not in MASK_ROLES
        and one.tensors[node.output].bits != FLOAT
    )


def float_values(
    calibrated: CalibratedEncoder, graph: OperatorGraph, sentence: Mapping[str, Array]
) -> dict[str, Any]:
    """The float value of every output of `graph` for a sentence of exactly its length.

    What the recipe leaves out on purpose is cut off: GELU's input below -4, scores too low to
    count, a variance above the range that one of several tensors holds.
    """
    found: dict[str, Array] = {}

    def see(node: OperatorNode, value: Array) -> None:
        found[node.output] = _meant(calibrated, graph, node.output, value)

    interpret_graph(graph, sentence, see)
    return found


def _meant(calibrated: CalibratedEncoder, graph: OperatorGraph, name: str, value: Array) -> Array:
    tensor = graph.tensors[name]
    if tensor.role in SCORE_ROLES:
        return np.maximum(value, calibrated.ranges.score_range(tensor.layer)[0])
    return value if tensor.clip is None else np.clip(value, *tensor.clip)


def remove_padding(value: Array, shape: tuple[int, ...]) -> Array:
    """A tensor of a padded sentence without its padding, which stands at the end of every axis."""
    return value[tuple(slice(size) for size in shape)]


def find_outliers(peaks: ChannelPeaks, count: int) -> tuple[OutlierChannel, ...]:
    """Channels of the residual stream beyond OUTLIER_RATIO medians, at most `count` a place.

    The stream is what enters every LayerNorm and what leaves the last one.
    """
    stream = [*peaks.variances, "output"]
    found = []
    for place in stream:
        sizes = peaks[place]
        typical = float(np.median(sizes))
        for channel in np.argsort(-sizes, kind="stable")[:count]:
            if sizes[channel] > OUTLIER_RATIO * typical:
                token_id, position = (int(each) for each in peaks.carriers[place][channel])
                peak = float(sizes[channel])
                found.append(OutlierChannel(place, int(channel), peak, typical, token_id, position))
    return tuple(found)
