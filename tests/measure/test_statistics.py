"""Statistics of raw times."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.measure.statistics import student_interval, summarize_times

TIMES = st.lists(st.floats(1, 1e7), min_size=1, max_size=60)


def test_known_values() -> None:
    """Percentiles interpolate; the outlier is named and still counts."""
    summary = summarize_times([10.0] * 10 + [11.0] * 9 + [500.0])
    assert summary.median_us == 10.5
    assert summary.outliers == (19,)
    assert summary.max_us == 500
    assert summary.mean_us == pytest.approx((100 + 99 + 500) / 20)


@given(TIMES)
def test_order_and_bounds(times: list[float]) -> None:
    """min ≤ p5 ≤ median ≤ p95 ≤ max, and every value is counted."""
    summary = summarize_times(times)
    slack = 1e-9 * summary.max_us
    ordered = [summary.min_us, summary.p5_us, summary.median_us, summary.p95_us, summary.max_us]
    assert all(a <= b + slack for a, b in itertools.pairwise(ordered))
    assert summary.count == len(times)
    assert summary.spread >= 0


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_values_that_are_none(values: list[float]) -> None:
    """No values, or values that are no numbers, are refused."""
    with pytest.raises(ValueError, match="finite"):
        summarize_times(values)


def test_students_interval_covers_as_promised() -> None:
    """The 95% interval of six values holds the true mean in about 95% of experiments."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        low, high = student_interval(random.normal(7, 1, 6).tolist())
        held += low <= 7 <= high
    assert 366 <= held <= 393


def test_students_interval_needs_two() -> None:
    """Two of 0 and 1 give 12.7 standard errors to each side; one value gives none."""
    low, high = student_interval([0.0, 1.0])
    assert (low, high) == (pytest.approx(0.5 - 6.3531, rel=1e-4), pytest.approx(0.5 + 6.3531))
    with pytest.raises(ValueError, match="two"):
        student_interval([1.0])
