"""The running histogram: exact extremes, no count lost however far its range grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import EdgeBertError
from edge_bert.quantize.integer.statistics.histogram import BINS, SAMPLES, Histogram

NUMBER = st.floats(-(2.0**20), 2.0**20, width=32)
BATCHES = st.lists(st.lists(NUMBER, min_size=1, max_size=40), min_size=1, max_size=8)


def of(*batches: object) -> Histogram:
    """A histogram that has seen these arrays in turn."""
    histogram = Histogram()
    for batch in batches:
        histogram.update(np.asarray(batch, np.float32))
    return histogram


@given(BATCHES)
def test_extremes_are_exact(batches: list[list[float]]) -> None:
    """`low` and `high` are the smallest and largest value ever seen."""
    values = np.float32([value for batch in batches for value in batch])
    found = of(*batches)
    assert found.low == values.min()
    assert found.high == values.max()
    assert found.reach >= np.abs(values).max()


@given(BATCHES)
def test_growth_loses_no_count(batches: list[list[float]]) -> None:
    """Every value is counted once, also those that came before the range grew."""
    assert of(*batches).counts.sum() == sum(map(len, batches))


@given(BATCHES)
def test_every_value_is_near_its_bin(batches: list[list[float]]) -> None:
    """The distribution is right to within a bin: as many values below any point."""
    values = np.sort(np.float32([value for batch in batches for value in batch]))
    found = of(*batches)
    width = 2 * found.reach / BINS
    upto = np.cumsum(found.counts)
    edges = found.centers() + width / 2
    low = np.searchsorted(values, edges - 1.01 * width)
    high = np.searchsorted(values, edges + 1.01 * width, side="right")
    assert (low <= upto).all()
    assert (upto <= high).all()


def test_growth_in_steps_equals_one_step() -> None:
    """Values that come small ones first are counted as if the range had been known."""
    values = np.linspace(-1, 1, 501, dtype=np.float32) * np.float32(0.999)
    known = of([64.0], values, 64 * values)
    grown = of(values, [64.0], 64 * values)
    assert grown.reach == pytest.approx(known.reach, rel=1.0)
    assert grown.counts.sum() == known.counts.sum()
    share = known.counts[np.abs(known.centers()) < 2].sum()
    assert grown.counts[np.abs(grown.centers()) < 2].sum() == pytest.approx(share, abs=4)


def test_a_large_tensor_is_sampled_and_its_extremes_are_not() -> None:
    """The count stands for all values; one value between two samples still gives the range."""
    values = np.zeros(10 * SAMPLES, np.float32)
    values[7] = 5.0
    found = of(values)
    assert found.high == 5.0
    assert found.counts.sum() == values.size


def test_memory_is_bounded() -> None:
    """However much is seen, the bins stay as many as they were."""
    histogram = Histogram()
    for power in range(40):
        histogram.update(np.full(100, 2.0**power, np.float32))
    assert histogram.counts.shape == (BINS,)
    assert histogram.counts.sum() == 4000


def test_zeros_only() -> None:
    """A tensor that is always 0 has a histogram too."""
    found = of(np.zeros(9), np.zeros(3))
    assert (found.low, found.high) == (0, 0)
    assert found.counts.sum() == 12


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(wrong: float) -> None:
    """A range of NaN or infinity must never reach a scale."""
    with pytest.raises(EdgeBertError):
        of([1.0, wrong])
