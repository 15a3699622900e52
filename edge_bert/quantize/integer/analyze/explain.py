"""The float values behind an integer file's tensors, and the outlier channels in float.

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
from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, OperatorNode
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.ir.tensor_role import MASK_ROLES, SCORE_ROLES
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.lower.tensor_groups import group_of, layer_label
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks

Array = npt.NDArray[Any]
MOVES = ("RESHAPE", "TRANSPOSE", "SLICE")  # their output repeats their input
OUTLIER_RATIO = 8.0  # times the median channel's peak


@dataclass(frozen=True)
class IntegerOutput:
    """An operator's integer output; `by_channel` where its last axis is one of channels."""

    name: str
    layer: str
    role: str
    operator: str
    by_channel: bool


@dataclass(frozen=True)
class OutlierChannel:
    """An outlier channel of a tensor, with the id and the position of the token at its peak."""

    tensor: str
    channel: int
    peak: float
    typical: float
    token_id: int
    position: int


def integer_outputs(graphs: RecipeGraphs) -> tuple[IntegerOutput, ...]:
    """The integer outputs to explain, in the order of execution: no moves, no masks.

    An axis whose size is the same for one token and for two is not an axis of tokens.
    """
    one_token, two_tokens = graphs.graph(1), graphs.graph(2)
    outputs = []
    for node in one_token.nodes:
        tensor, width = one_token.tensors[node.output], two_tokens.shape(node.output)[-1]
        if node.operator in MOVES or tensor.role in MASK_ROLES or tensor.bits == FLOAT:
            continue
        by_channel = 1 < tensor.shape[-1] == width
        role, layer = group_of(tensor).value, layer_label(tensor)
        outputs.append(IntegerOutput(tensor.name, layer, role, node.operator, by_channel))
    return tuple(outputs)


def float_values(
    calibrated: CalibratedEncoder, graph: OperatorGraph, sentence: Mapping[str, Array]
) -> dict[str, Any]:
    """The float value of every output of `graph` for a sentence of exactly its length.

    What the recipe clips on purpose is clipped here too: GELU's input below -4, scores too low to
    count, a variance above the range that one of several tensors holds.
    """
    values: dict[str, Array] = {}

    def record(node: OperatorNode, value: Array) -> None:
        values[node.output] = _clip(calibrated, graph.tensors[node.output], value)

    interpret_graph(graph, sentence, record)
    return values


def _clip(calibrated: CalibratedEncoder, tensor: GraphTensor, value: Array) -> Array:
    if tensor.role in SCORE_ROLES:
        return np.maximum(value, calibrated.ranges.score_range(tensor.layer)[0])
    return value if tensor.clip is None else np.clip(value, *tensor.clip)


def remove_padding(value: Array, shape: tuple[int, ...]) -> Array:
    """A tensor of a padded sentence without its padding, which stands at the end of every axis."""
    return value[tuple(slice(size) for size in shape)]


def find_outliers(peaks: ChannelPeaks, count: int) -> tuple[OutlierChannel, ...]:
    """Channels of the residual stream beyond OUTLIER_RATIO medians, at most `count` a tensor.

    The stream is what enters every LayerNorm and what leaves the last one.
    """
    outliers = []
    for name, stream in peaks.stream.items():
        magnitudes = stream.magnitudes
        typical = float(np.median(magnitudes))
        for channel in np.argsort(-magnitudes, kind="stable")[:count]:
            peak = float(magnitudes[channel])
            if peak > OUTLIER_RATIO * typical:
                token_id, position = (int(index) for index in stream.tokens[channel])
                outliers.append(
                    OutlierChannel(name, int(channel), peak, typical, token_id, position)
                )
    return tuple(outliers)
