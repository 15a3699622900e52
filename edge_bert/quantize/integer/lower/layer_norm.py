"""LayerNorm out of operators that survive integers.

Requires: the terms of its input s, each in channel scales m, that is s' = m * s, column by column:
the residual, and what is added to it, which has no mean over channels.
Ensures: m * (s - mean) / sqrt(variance), the same in float.

Three things differ from the usual chain.
- The mean is taken off what is added to the residual: its range is narrower than the sum's, so it
  rounds less.
- The squares stay in channel scales, where no channel dwarfs another. The sum over channels is a
  matrix product with an int32 accumulator, variance = sum(w * s'^2) with w = 1 / (hidden * m^2).
  Channels of like scale share a matrix, so that its 8 bits suffice; squares with large weights
  have a range of their own.
- The variance can span three decades between tokens. It is held in several tensors of growing
  range, and each gives an inverse root. In float they are equal; in integers the smallest is the
  one that did not saturate, because coarse ranges round down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedNorm
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.graph_scope import GraphScope
from edge_bert.records.checkpoint import FloatArray

# Appends a LayerNorm: takes its scope, the terms of its input, the norm and epsilon; gives the
# name of the result.
LayerNorm = Callable[[GraphScope, Sequence[str], EqualizedNorm, float], str]
GROUP_RATIO = 8.0
TYPICAL = 2.0  # the first group reaches from here, times the median channel scale, downwards
WIDE = 24.0  # a spread of variances above which three ranges are used
NARROW = 4.0  # and below which one is enough
HEADROOM = 1.05  # above what was observed


def layer_norm(scope: GraphScope, terms: Sequence[str], norm: EqualizedNorm, epsilon: float) -> str:
    """Append the operators; `terms` are [n, columns]; gives the normalized rows in channel scales.

    One term is the whole input and has no mean; the first of several is the residual.
    """
    centered = _center(scope, terms, norm) if len(terms) > 1 else terms[0]
    inverse, shape = _inverse_root(scope, centered, norm, epsilon), scope.shape(centered)
    return scope.apply("MUL", [centered, inverse], "unit", shape, TensorRole.NORM_NORMALIZED)


def _center(scope: GraphScope, terms: Sequence[str], norm: EqualizedNorm) -> str:
    """The sum of all terms less its mean, which is that of the residual, added up last."""
    residual, *outputs = terms
    shape, role = scope.shape(residual), TensorRole.NORM_UPDATE
    mean = _mean(scope, residual, norm)
    vector = norm.channel_scale * norm.layout.centered_columns
    factor = scope.graph.constant(scope.full_name("migration"), vector[None, :])
    offset = scope.apply("MUL", [mean, factor], "offset", shape, TensorRole.NORM_OFFSET)
    update = scope.apply("SUB", [outputs[0], offset], "update.0", shape, role)
    for index, output in enumerate(outputs[1:], start=1):
        update = scope.apply("ADD", [update, output], f"update.{index}", shape, role)
    return scope.add("centred", residual, update, TensorRole.NORM_CENTERED)


def channel_groups(channel_scale: FloatArray) -> list[FloatArray]:
    """Masks of channels whose scales are within GROUP_RATIO, typical channels first.

    The group's number is floor(log(ratio) / log(GROUP_RATIO)), ratio = TYPICAL * median / scale.
    """
    ratio = TYPICAL * float(np.median(channel_scale)) / channel_scale
    exponent = np.maximum(np.floor(np.log(ratio) / np.log(GROUP_RATIO)), 0)
    return [(exponent == value).astype(np.float32) for value in np.unique(exponent)]


def _mean(scope: GraphScope, rows: str, norm: EqualizedNorm) -> str:
    """The mean over channels, [n, 1]; all outlier groups share one matrix here."""
    groups, role = channel_groups(norm.channel_scale), TensorRole.NORM_MEAN
    masks = [groups[0], np.sum(groups[1:], axis=0)] if len(groups) > 1 else groups
    sums = [
        _weighted_sum(
            scope, f"mean.{index}", rows, mask / norm.channel_scale * norm.layout.mean_weights, role
        )
        for index, mask in enumerate(masks)
    ]
    if len(sums) == 1:
        return sums[0]
    regular, outlier = sums
    return scope.add("mean", regular, outlier, role)


def _weighted_sum(
    scope: GraphScope,
    name: str,
    rows: str,
    weights: npt.NDArray[np.floating[Any]],
    role: TensorRole,
    bias: float = 0.0,
    **range_rules: Any,
) -> str:
    """A weighted sum over channels: a FULLY_CONNECTED with one output."""
    constants = scope.nested(name)
    kernel = constants.matrix("weights", weights[:, None])
    offset = constants.bias("bias", np.array([bias], np.float32))
    shape = (scope.shape(rows)[0], 1)
    return scope.apply("FULLY_CONNECTED", [rows, kernel, offset], name, shape, role, **range_rules)


def variance_ranges(variances: FloatArray) -> list[float]:
    """Upper ends of the ranges that hold the variance, the finest first."""
    largest, typical = float(variances.max()) * HEADROOM, 2.0 * float(np.median(variances))
    if largest <= NARROW * typical:
        return [largest]
    if largest <= WIDE * typical:
        return [typical, largest]
    return [typical, (typical * largest) ** 0.5, largest]


@dataclass(frozen=True)
class _VarianceRange:
    """One of the ranges that hold the variance, [0, range_max]; index 0 is the finest."""

    range_index: int
    range_max: float
    epsilon: float


def _inverse_root(scope: GraphScope, centered: str, norm: EqualizedNorm, epsilon: float) -> str:
    """1 / sqrt(variance): the smallest of the roots of all ranges, [n, 1]."""
    column, role = (scope.shape(centered)[0], 1), TensorRole.NORM_INVERSE
    weights = np.asarray(norm.layout.variance_weights / np.square(norm.channel_scale), np.float32)
    groups = [weights * group for group in channel_groups(norm.channel_scale)]
    groups = [group for group in groups if group.any()]
    # MINIMUM compares steps, so that all roots share the range of the largest one.
    max_inverse_root = HEADROOM / float(norm.variances.min() + epsilon) ** 0.5
    limits = (0.0, max_inverse_root)
    smallest = ""
    for index, range_max in enumerate(variance_ranges(norm.variances)):
        variance = _variance(scope, centered, groups, _VarianceRange(index, range_max, epsilon))
        root = scope.apply("RSQRT", [variance], f"inverse.{index}", column, role, limits=limits)
        if index:
            roots, name = [smallest, root], f"inverse.min.{index}"
            root = scope.apply("MINIMUM", roots, name, column, role, limits=limits)
        smallest = root
    return smallest


def _variance(
    scope: GraphScope, centered: str, groups: list[FloatArray], variance_range: _VarianceRange
) -> str:
    """The variance in one range, [n, 1]; all but the finest range round down."""
    column, clip = (scope.shape(centered)[0], 1), (0.0, variance_range.range_max)
    role, total = TensorRole.NORM_VARIANCE, ""
    for group, weights in enumerate(groups):
        name = f"variance.{variance_range.range_index}.{group}"
        rounds_down_for = None
        if variance_range.range_index > 0 and group == len(groups) - 1:
            rounds_down_for = scope.full_name(f"{name}.total" if group else name)
        share = _weighted_sum(
            scope,
            name,
            _squares(scope, centered, group, weights, variance_range),
            weights,
            role,
            0.0 if group else variance_range.epsilon,
            clip=clip,
            rounds_down_for=rounds_down_for,
        )
        if group:
            inputs = [total, share]
            share = scope.apply("ADD", inputs, f"{name}.total", column, role, clip=clip)
        total = share
    return total


def _squares(
    scope: GraphScope,
    centered: str,
    group: int,
    weights: FloatArray,
    variance_range: _VarianceRange,
) -> str:
    """The squares that one group of channels is summed from.

    Outlier channels weigh thousands of times what others do: one step of a square may be more than
    the whole variance of a usual token. Squares above what the range holds need not be told apart.
    """
    name, clip = "squared", None
    if group:
        name = f"squared.{variance_range.range_index}.{group}"
        clip = (0.0, variance_range.range_max / float(weights[weights > 0].min()))
    elif scope.full_name(name) in scope.graph.tensors:
        return scope.full_name(name)
    shape, inputs = scope.shape(centered), [centered, centered]
    return scope.apply("MUL", inputs, name, shape, TensorRole.NORM_SQUARED, clip=clip)
