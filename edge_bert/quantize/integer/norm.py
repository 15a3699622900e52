"""LayerNorm out of operators that survive integers.

Requires: an input of known migration m, that is s' = m * s, channel by channel.
Ensures: m * (s - mean) / sqrt(variance), the same in float.

Three things differ from the usual chain. The squares stay in migrated coordinates, where no
channel dwarfs the others, and the sum over channels is a matrix product with an int32 accumulator
whose weights undo the migration; channels of like migration share a matrix, so that its 8 bits
suffice. The variance, which can span three decades between tokens, is held in several tensors of
growing range; each gives an inverse root, and the smallest of them is the one that did not
saturate. The mean is taken off by an outer product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.graph import Graph, Kind, matrix_operand
from edge_bert.quantize.integer.rewritten import Norm
from edge_bert.records.checkpoint import FloatArray

GROUP_RATIO = 4.0
WIDE = 24.0  # a spread of variances above which three ranges are used
NARROW = 4.0  # and below which one is enough
STEPS = 255


def layer_norm(graph: Graph, name: str, rows: str, norm: Norm, epsilon: float) -> str:
    """Append the operators; `rows` is [n, hidden]; gives the normalised rows, migrated."""
    count, hidden = graph.shape(rows)
    groups = _groups(norm.migration)
    column = (count, 1)
    means = [
        _weighted(graph, f"{name}.mean.{i}", rows, group / norm.migration / hidden)
        for i, group in enumerate(groups)
    ]
    mean = _total(graph, f"{name}.mean", means, column)
    vector = graph.constant(f"{name}.migration", norm.migration[None, :])
    offset = graph.apply("MUL", [mean, vector], f"{name}.offset", (count, hidden))
    centred = graph.apply("SUB", [rows, offset], f"{name}.centred", (count, hidden))
    squared = graph.apply("MUL", [centred, centred], f"{name}.squared", (count, hidden))
    inverse = _inverse_root(graph, name, squared, norm, groups, epsilon)
    return graph.apply("MUL", [centred, inverse], f"{name}.unit", (count, hidden))


def _groups(migration: FloatArray) -> list[FloatArray]:
    """Masks of channels whose migration is alike within GROUP_RATIO, typical channels first."""
    exponent = np.floor(np.log(migration.max() / migration) / np.log(GROUP_RATIO))
    masks = [(exponent == value).astype(np.float32) for value in np.unique(exponent)]
    return sorted(masks, key=lambda mask: -float(mask.sum()))


def _weighted(
    graph: Graph,
    name: str,
    rows: str,
    weights: npt.NDArray[np.floating[Any]],
    bias: float = 0.0,
    clip: tuple[float, float] | None = None,
) -> str:
    """A weighted sum over channels: a FULLY_CONNECTED with one output."""
    kernel = graph.constant(f"{name}.weights", matrix_operand(weights[:, None]), Kind.MATRIX)
    offset = graph.constant(f"{name}.bias", np.array([bias], np.float32), Kind.BIAS)
    shape = (graph.shape(rows)[0], 1)
    return graph.apply("FULLY_CONNECTED", [rows, kernel, offset], name, shape, clip=clip)


def _total(
    graph: Graph,
    name: str,
    parts: list[str],
    shape: tuple[int, int],
    clip: tuple[float, float] | None = None,
) -> str:
    total = parts[0]
    for index, part in enumerate(parts[1:]):
        total = graph.apply("ADD", [total, part], f"{name}.sum.{index}", shape, clip=clip)
    return total


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
    column = (graph.shape(squared)[0], 1)
    weights = 1.0 / np.square(norm.migration) / len(norm.migration)
    limits = (0.0, 1.05 / float(norm.variances.min() + epsilon) ** 0.5)
    result = ""
    for level, top in enumerate(ranges(norm.variances)):
        # Half a step less than the variance: a coarse range must never win by rounding up.
        shift = epsilon - (top / STEPS / 2 if level else 0.0)
        parts = [
            _weighted(
                graph,
                f"{name}.variance.{level}.{i}",
                squared,
                group * weights,
                bias=shift if i == 0 else 0.0,
                clip=(0.0, top),
            )
            for i, group in enumerate(groups)
        ]
        total = _total(graph, f"{name}.variance.{level}", parts, column, (0.0, top))
        root = graph.apply("RSQRT", [total], f"{name}.inverse.{level}", column, limits=limits)
        result = (
            root
            if not level
            else graph.apply(
                "MINIMUM", [result, root], f"{name}.inverse.min.{level}", column, limits=limits
            )
        )
    return result
