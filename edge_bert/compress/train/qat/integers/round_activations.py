"""Activations rounded as the file stores them, with ranges that stand fast or that are learned.

A value inside its range has the gradient of the value, one outside none. A learned range moves by
LSQ+ (Bhalgat et al. 2020, arXiv:2004.09576), written for its two ends: an end has the gradient of
the values that it cuts, and what rounding adds to each value inside, which follows the step.
Values and gradients are written out here: what a backend derives of a dozen small operators passes
over memory twice as often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.rounded_activation import RoundedActivation

LEAST_SCALE = 1e-10
# Of the gradient of the output; TensorFlow and JAX give it by place, PyTorch by name.
Gradient = Callable[..., Any]


class Steps(NamedTuple):
    """The steps of an activation: their size, and how many there are below and above 0."""

    scale: Any
    low: Any
    high: Any


class LearnedSteps(NamedTuple):
    """Steps without a gradient, and the two ends of the range, which have one."""

    steps: Steps
    low: Any
    high: Any


def fixed_steps(rounding: RoundedActivation) -> Steps:
    """The steps that a file has."""
    least, most = rounding.ends
    zero_point = rounding.zero_point
    return Steps(rounding.scale, float(least - zero_point), float(most - zero_point))


def start_ends(learned: Sequence[RoundedActivation]) -> FloatArray:
    """The ends [n, 2] from which ranges are learned: those of their integers today."""
    ends = [
        (-one.high if one.symmetric else min(one.low, 0.0), max(one.high, 0.0)) for one in learned
    ]
    return np.array(ends, np.float32).reshape(-1, 2)


def move_ends(start: Any, logarithms: Any) -> Any:
    """The ends of all ranges [n, 2] where training has moved them by the exp of `logarithms`."""
    return start * ops.exp(logarithms)


def spread_steps(ends: Any, learned: Sequence[RoundedActivation]) -> list[LearnedSteps]:
    """The steps of all learned activations from the ends of their ranges [n, 2]."""
    least, most = (np.array([one.ends[side] for one in learned], np.float32) for side in (0, 1))
    symmetric = np.array([one.symmetric for one in learned])
    peaks = ops.maximum(-ends[:, 0], ends[:, 1])
    low = ops.where(symmetric, peaks * (least / most), ends[:, 0])
    high = ops.where(symmetric, peaks, ends[:, 1])
    scales = ops.stop_gradient(ops.maximum((high - low) / (most - least), LEAST_SCALE))
    real = least - ops.stop_gradient(low) / scales
    zero_points = ops.where(symmetric, 0.0, ops.clip(ops.round(real), least, most))
    parts = (scales, least - zero_points, most - zero_points, low, high)
    rows = zip(*(ops.unstack(part) for part in parts), strict=True)
    return [LearnedSteps(Steps(*row[:3]), *row[3:]) for row in rows]


def round_fixed(value: Any, steps: Steps) -> Any:
    """`value` at the nearest of its steps, in real numbers."""

    def compute(value: Any) -> tuple[Any, Gradient]:
        counts, cut = _cut(value, steps)

        def gradient(*given: Any, upstream: Any = None) -> Any:
            return _keep_inside(counts, cut, given[0] if upstream is None else upstream)

        return ops.round(cut) * steps.scale, gradient

    return ops.custom_gradient(compute)(value)


def round_learned(value: Any, learned: LearnedSteps) -> Any:
    """`value` at the nearest of its steps, in real numbers."""

    def compute(value: Any, low: Any, high: Any, *numbers: Any) -> tuple[Any, Gradient]:
        del low, high  # the ends that the steps came from
        steps = Steps(*numbers)
        counts, cut = _cut(value, steps)
        rounded = ops.round(cut)

        def gradient(*given: Any, upstream: Any = None) -> tuple[Any, ...]:
            upstream = given[0] if upstream is None else upstream
            passed = _keep_inside(counts, cut, upstream)
            added = ops.sum(passed * (rounded - counts)) / (steps.high - steps.low)
            below = ops.sum(ops.where(counts < steps.low, upstream, 0.0))
            above = ops.sum(ops.where(counts > steps.high, upstream, 0.0))
            return passed, below - added, above + added, *map(ops.zeros_like, steps)

        return rounded * steps.scale, gradient

    return ops.custom_gradient(compute)(value, learned.low, learned.high, *learned.steps)


def _cut(value: Any, steps: Steps) -> tuple[Any, Any]:
    """The value in steps, and what is left of it inside of its range."""
    counts = value / steps.scale
    return counts, ops.minimum(ops.maximum(counts, steps.low), steps.high)


def _keep_inside(counts: Any, cut: Any, upstream: Any) -> Any:
    return ops.where(ops.equal(counts, cut), upstream, 0.0)
