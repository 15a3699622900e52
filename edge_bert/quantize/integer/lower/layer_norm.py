"""LayerNorm out of operators that survive integers.

Requires: the terms of its input, each of known migration m, that is s' = m * s, column by column:
the residual, and what is added to it, which has no mean over channels.
Ensures: m * (s - mean) / sqrt(variance), the same in float.

Three things differ from the usual chain. The mean is taken off what is added to the residual,
whose range is narrower than the sum's and rounds less. The squares stay in migrated coordinates,
where no channel dwarfs the others, and the sum over channels is a matrix product with an int32
accumulator whose weights undo the migration; channels of like migration share a matrix, so that
its 8 bits suffice, and squares that weigh much have a range of their own. The variance, which can
span three decades between tokens, is held in several tensors of growing range; each gives an
inverse root. In float they are equal; in integers the smallest is the one that did not saturate,
because coarse ranges round down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.equalize.equalize import NormWeights
from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind, matrix_operand
from edge_bert.records.checkpoint import FloatArray

# Appends a LayerNorm to a graph: its name, the terms of its input, the norm and epsilon; gives the
# result's name.
LayerNorm = Callable[[OperatorGraph, str, Sequence[str], NormWeights, float], str]
GROUP_RATIO = 8.0
TYPICAL = 2.0  # the first group reaches from here, times the median migration, downwards
WIDE = 24.0  # a spread of variances above which three ranges are used
NARROW = 4.0  # and below which one is enough


def layer_norm(
    graph: OperatorGraph, name: str, terms: Sequence[str], norm: NormWeights, epsilon: float
) -> str:
    """Append the operators; `terms` are [n, columns]; gives the normalised rows, migrated.

    One term is the whole input and has no mean; the first of several is the residual.
    """
    centred = _centred(graph, name, terms, norm) if len(terms) > 1 else terms[0]
    inverse = _inverse_root(graph, name, centred, norm, epsilon)
    return graph.apply("MUL", [centred, inverse], f"{name}.unit", graph.shape(centred))


def _centred(graph: OperatorGraph, name: str, terms: Sequence[str], norm: NormWeights) -> str:
    """The sum of all terms less its mean, which is that of the residual, added up last."""
    residual, *outputs = terms
    shape = graph.shape(residual)
    mean = _mean(graph, f"{name}.mean", residual, norm)
    vector = norm.migration * norm.columns.takes_mean
    factor = graph.constant(f"{name}.migration", vector[None, :])
    offset = graph.apply("MUL", [mean, factor], f"{name}.offset", shape)
    total = graph.apply("SUB", [outputs[0], offset], f"{name}.update.0", shape)
    for place, output in enumerate(outputs[1:], start=1):
        total = graph.apply("ADD", [total, output], f"{name}.update.{place}", shape)
    return graph.apply("ADD", [residual, total], f"{name}.centred", shape)


def channel_groups(migration: FloatArray) -> list[FloatArray]:
    """Masks of channels whose migration is alike within GROUP_RATIO, typical channels first."""
    ratio = TYPICAL * float(np.median(migration)) / migration
    exponent = np.maximum(np.floor(np.log(ratio) / np.log(GROUP_RATIO)), 0)
    return [(exponent == value).astype(np.float32) for value in np.unique(exponent)]


def _mean(graph: OperatorGraph, name: str, rows: str, norm: NormWeights) -> str:
    """The mean over channels, [n, 1]; all outlier groups share one matrix here."""
    groups = channel_groups(norm.migration)
    masks = [groups[0], np.sum(groups[1:], axis=0)] if len(groups) > 1 else groups
    parts = [
        _weighted(graph, f"{name}.{i}", rows, mask / norm.migration * norm.columns.in_mean)
        for i, mask in enumerate(masks)
    ]
    if len(parts) == 1:
        return parts[0]
    return graph.apply("ADD", parts, name, (graph.shape(rows)[0], 1))


def _weighted(
    graph: OperatorGraph,
    name: str,
    rows: str,
    weights: npt.NDArray[np.floating[Any]],
    bias: float = 0.0,
    **range_options: Any,
) -> str:
    """A weighted sum over channels: a FULLY_CONNECTED with one output."""
    kernel = graph.constant(f"{name}.weights", matrix_operand(weights[:, None]), TensorKind.MATRIX)
    offset = graph.constant(f"{name}.bias", np.array([bias], np.float32), TensorKind.BIAS)
    shape = (graph.shape(rows)[0], 1)
    return graph.apply("FULLY_CONNECTED", [rows, kernel, offset], name, shape, **range_options)


def variance_ranges(variances: FloatArray) -> list[float]:
    """Upper ends of the ranges that hold the variance, the finest first."""
    largest, typical = float(variances.max()) * 1.05, 2.0 * float(np.median(variances))
    if largest <= NARROW * typical:
        return [largest]
    if largest <= WIDE * typical:
        return [typical, largest]
    return [typical, (typical * largest) ** 0.5, largest]


@dataclass(frozen=True)
class _Level:
    """The variance in one of its ranges, [0, top]; level 0 is the finest."""

    name: str
    level: int
    top: float
    epsilon: float

    @property
    def variance(self) -> str:
        """The name that the tensors of this level begin with."""
        return f"{self.name}.variance.{self.level}"


def _inverse_root(
    graph: OperatorGraph, name: str, centred: str, norm: NormWeights, epsilon: float
) -> str:
    """1 / sqrt(variance): the smallest of the roots of all ranges, [n, 1]."""
    column = (graph.shape(centred)[0], 1)
    weights = np.asarray(norm.columns.in_variance / np.square(norm.migration), np.float32)
    groups = [weights * group for group in channel_groups(norm.migration)]
    groups = [group for group in groups if group.any()]
    roof = 1.05 / float(norm.variances.min() + epsilon) ** 0.5
    result = ""
    for level, top in enumerate(variance_ranges(norm.variances)):
        total = _variance(graph, centred, groups, _Level(name, level, top, epsilon))
        root = graph.apply("RSQRT", [total], f"{name}.inverse.{level}", column, limits=(0.0, roof))
        if level:
            pair, smallest = [result, root], f"{name}.inverse.min.{level}"
            root = graph.apply("MINIMUM", pair, smallest, column, limits=(0.0, roof))
        result = root
    return result


def _variance(graph: OperatorGraph, centred: str, groups: list[FloatArray], level: _Level) -> str:
    """The variance in the level's range, [n, 1]; all but the finest range round down."""
    column, clip = (graph.shape(centred)[0], 1), (0.0, level.top)
    total = ""
    for place, weights in enumerate(groups):
        part, together = f"{level.variance}.{place}", f"{level.variance}.{place}.total"
        last = level.level > 0 and place == len(groups) - 1
        goal = (together if place else part) if last else None
        part = _weighted(
            graph,
            part,
            _squared(graph, centred, place, weights, level),
            weights,
            0.0 if place else level.epsilon,
            clip=clip,
            rounds_down_for=goal,
        )
        if place:
            part = graph.apply("ADD", [total, part], together, column, clip=clip)
        total = part
    return total


def _squared(
    graph: OperatorGraph, centred: str, place: int, weights: FloatArray, level: _Level
) -> str:
    """The squares that one group of channels is summed from.

    Outlier channels weigh thousands of times what others do: one step of a square may be more than
    the whole variance of a usual token. Squares above what the level holds need not be told apart.
    """
    name, clip = f"{level.name}.squared", None
    if place:
        name = f"{name}.{level.level}.{place}"
        clip = (0.0, level.top / float(weights[weights > 0].min()))
    elif name in graph.tensors:
        return name
    return graph.apply("MUL", [centred, centred], name, graph.shape(centred), clip=clip)
