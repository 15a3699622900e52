"""LayerNorm out of operators that survive integers.

Requires: an input of known migration m, that is s' = m * s, channel by channel.
Ensures: m * (s - mean) / sqrt(variance), the same in float.

Three things differ from the usual chain. The squares stay in migrated coordinates, where no
channel dwarfs the others, and the sum over channels is a matrix product with an int32 accumulator
whose weights undo the migration; channels of like migration share a matrix, so that its 8 bits
suffice. The variance, which can span three decades between tokens, is held in several tensors of
growing range; each gives an inverse root. In float they are equal; in integers the smallest is the
one that did not saturate, because coarse ranges round down. The mean is taken off by an outer
product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.graph import Graph, Kind, matrix_operand
from edge_bert.quantize.integer.rewritten import Norm
from edge_bert.records.checkpoint import FloatArray

# Appends a LayerNorm to a graph: its name, its rows, the norm and epsilon; gives the result's name.
LayerNorm = Callable[[Graph, str, str, Norm, float], str]
GROUP_RATIO = 8.0
TYPICAL = 2.0  # the first group reaches from here, times the median migration, downwards
WIDE = 24.0  # a spread of variances above which three ranges are used
NARROW = 4.0  # and below which one is enough


def layer_norm(graph: Graph, name: str, rows: str, norm: Norm, epsilon: float) -> str:
    """Append the operators; `rows` is [n, hidden]; gives the normalised rows, migrated."""
    count, hidden = graph.shape(rows)
    groups = channel_groups(norm.migration)
    mean = _mean(graph, f"{name}.mean", rows, norm, groups)
    vector = graph.constant(f"{name}.migration", norm.migration[None, :])
    offset = graph.apply("MUL", [mean, vector], f"{name}.offset", (count, hidden))
    centred = graph.apply("SUB", [rows, offset], f"{name}.centred", (count, hidden))
    squared = graph.apply("MUL", [centred, centred], f"{name}.squared", (count, hidden))
    inverse = _inverse_root(graph, name, squared, norm, groups, epsilon)
    return graph.apply("MUL", [centred, inverse], f"{name}.unit", (count, hidden))


def channel_groups(migration: FloatArray) -> list[FloatArray]:
    """Masks of channels whose migration is alike within GROUP_RATIO, typical channels first."""
    ratio = TYPICAL * float(np.median(migration)) / migration
    exponent = np.maximum(np.floor(np.log(ratio) / np.log(GROUP_RATIO)), 0)
    return [(exponent == value).astype(np.float32) for value in np.unique(exponent)]


def _mean(graph: Graph, name: str, rows: str, norm: Norm, groups: list[FloatArray]) -> str:
    """The mean over channels, [n, 1]; all outlier groups share one matrix here."""
    masks = [groups[0], np.sum(groups[1:], axis=0)] if len(groups) > 1 else groups
    parts = [
        _weighted(graph, f"{name}.{i}", rows, mask / norm.migration / len(norm.migration))
        for i, mask in enumerate(masks)
    ]
    if len(parts) == 1:
        return parts[0]
    return graph.apply("ADD", parts, name, (graph.shape(rows)[0], 1))


def _weighted(
    graph: Graph,
    name: str,
    rows: str,
    weights: npt.NDArray[np.floating[Any]],
    bias: float = 0.0,
    **range_options: Any,
) -> str:
    """A weighted sum over channels: a FULLY_CONNECTED with one output."""
    kernel = graph.constant(f"{name}.weights", matrix_operand(weights[:, None]), Kind.MATRIX)
    offset = graph.constant(f"{name}.bias", np.array([bias], np.float32), Kind.BIAS)
    shape = (graph.shape(rows)[0], 1)
    return graph.apply("FULLY_CONNECTED", [rows, kernel, offset], name, shape, **range_options)


def ranges(variances: FloatArray) -> list[float]:
    """Upper ends of the ranges that hold the variance, the finest first."""
    largest, typical = float(variances.max()) * 1.05, 2.0 * float(np.median(variances))
    if largest <= NARROW * typical:
        return [largest]
    if largest <= WIDE * typical:
        return [typical, largest]
    return [typical, (typical * largest) ** 0.5, largest]


def _inverse_root(
    graph: Graph, name: str, squared: str, norm: Norm, groups: list[FloatArray], epsilon: float
) -> str:
    """1 / sqrt(variance): the smallest of the roots of all ranges, [n, 1]."""
    column = (graph.shape(squared)[0], 1)
    roof = 1.05 / float(norm.variances.min() + epsilon) ** 0.5
    result = ""
    for level, top in enumerate(ranges(norm.variances)):
        total = _variance(graph, f"{name}.variance.{level}", squared, norm, groups, epsilon, top)
        root = graph.apply("RSQRT", [total], f"{name}.inverse.{level}", column, limits=(0.0, roof))
        if level:
            pair, smallest = [result, root], f"{name}.inverse.min.{level}"
            root = graph.apply("MINIMUM", pair, smallest, column, limits=(0.0, roof))
        result = root
    return result


def _variance(
    graph: Graph,
    name: str,
    squared: str,
    norm: Norm,
    groups: list[FloatArray],
    epsilon: float,
    top: float,
) -> str:
    """The variance in the range [0, top], [n, 1]; all but the finest range round down."""
    column = (graph.shape(squared)[0], 1)
    weights = 1.0 / np.square(norm.migration) / len(norm.migration)
    fine = name.endswith(".0")
    total = ""
    for place, group in enumerate(groups):
        part = f"{name}.{place}"
        last = place == len(groups) - 1
        goal = None if fine or not last else (f"{name}.{place}.total" if place else part)
        bias = 0.0 if place else epsilon
        part = _weighted(
            graph, part, squared, group * weights, bias, clip=(0.0, top), rounds_down_for=goal
        )
        if place:
            part = graph.apply(
                "ADD", [total, part], f"{name}.{place}.total", column, clip=(0.0, top)
            )
        total = part
    return total
