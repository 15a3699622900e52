"""Statistics of raw times."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.measure.statistics import bootstrap_interval, summarize_times

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


def test_bootstrap_covers_as_promised() -> None:
    """The 95% interval holds the true mean in about 95% of experiments."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        low, high = bootstrap_interval(random.normal(7, 1, 30).tolist())
        held += low <= 7 <= high
    assert 176 <= held <= 199


def test_bootstrap_is_repeatable_and_needs_two() -> None:
    """The same values give the same interval; one value gives none."""
    assert bootstrap_interval([1.0, 2.0, 4.0]) == bootstrap_interval([1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="two"):
        bootstrap_interval([1.0])
