"""Range estimators against brute force over the values themselves."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.quantize.integer.statistics import range_estimators
from edge_bert.quantize.integer.statistics.histogram import Histogram
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator, estimate_range
from edge_bert.quantize.uniform import asymmetric_params

Array = npt.NDArray[np.float64]
COUNT = 4000  # below the size at which a histogram begins to sample


def histogram_of(values: Array) -> Histogram:
    """A histogram of exactly these values."""
    found = Histogram()
    found.update(values)
    return found


@functools.cache
def density(name: str) -> Array:
    """Values of a known density: quantiles of it, so that nothing is left to luck."""
    shares = (np.arange(COUNT) + 0.5) / COUNT
    match name:
        case "uniform":
            return 6 * shares - 2
        case "laplace":
            return np.sign(shares - 0.5) * -np.log(1 - 2 * np.abs(shares - 0.5))
        case "half normal":
            from scipy.special import ndtri

            return np.abs(ndtri(shares))
    usual = density("laplace").copy()
    usual[:: COUNT // 8] = np.linspace(60, 100, 8)  # eight values far out
    return usual


DENSITIES = ("uniform", "laplace", "half normal", "outliers")


def quantized(values: Array, low: float, high: float) -> Array:
    """What an 8-bit tensor with this range gives back."""
    scale, zero_point = asymmetric_params(low, high)
    steps = np.clip(np.round(values / scale) + zero_point, -128, 127)
    return np.asarray((steps - zero_point) * scale)


def squared_error(values: Array, low: float, high: float) -> float:
    """Mean squared error of quantizing `values` to this range."""
    return float(np.square(values - quantized(values, low, high)).mean())


@pytest.mark.parametrize("estimator", RangeEstimator, ids=lambda each: each.value)
@given(st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=60))
def test_no_range_is_wider_than_what_was_seen(
    estimator: RangeEstimator, values: list[float]
) -> None:
    """Whatever the values, a range lies within the extremes and is not upside down."""
    array = np.array(values)
    low, high = estimate_range(histogram_of(array), estimator)
    assert array.min() <= low <= high <= array.max()


@pytest.mark.parametrize("name", DENSITIES)
def test_minmax_is_everything(name: str) -> None:
    """The extremes themselves."""
    values = density(name)
    assert estimate_range(histogram_of(values), RangeEstimator.MINMAX) == (
        values.min(),
        values.max(),
    )


@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("share", [90.0, 99.0, 99.9])
def test_percentile_is_the_percentile(name: str, share: float) -> None:
    """That share of the values lies inside and not more, to within a bin at each end."""
    values = density(name)
    histogram = histogram_of(values)
    low, high = range_estimators.percentile_range(histogram, share)
    tail, bins = (100 - share) / 200 + 1e-9, 2 * histogram.reach / len(histogram.counts)
    assert np.mean(values < low - bins) <= tail <= np.mean(values < low + bins) + 2e-9
    assert np.mean(values > high + bins) <= tail <= np.mean(values > high - bins) + 2e-9


@pytest.mark.parametrize("name", DENSITIES)
def test_mse_is_near_the_best_of_all_ranges(name: str) -> None:
    """Its error is within a tenth of the least that any range of a fine grid gives."""
    values = density(name)
    lows = values.min() * np.linspace(0.02, 1, 50)
    highs = values.max() * np.linspace(0.02, 1, 50)
    best = min(squared_error(values, low, high) for low in lows for high in highs)
    found = squared_error(values, *estimate_range(histogram_of(values), RangeEstimator.MSE))
    assert found <= 1.1 * best


def test_outliers_are_given_up() -> None:
    """Entropy cuts far values for a finer step; squared error does so when there are few levels."""
    values = density("outliers")
    histogram = histogram_of(values)
    assert estimate_range(histogram, RangeEstimator.ENTROPY)[1] < 0.9 * values.max()
    assert range_estimators.mse_range(histogram_of(density("laplace")), levels=16)[1] < 0.7 * 8.3


def divergence(values: Array, reach: float, edge: float, bins: int = 1024) -> float:
    """Kullback-Leibler divergence of magnitudes to what 128 levels up to `edge` can tell apart.

    Written from the paper's description, value by value, not from our code.
    """
    counts, _ = np.histogram(np.abs(values), bins, (0, reach))
    kept = round(edge / reach * bins)
    wanted = counts[:kept].astype(float)
    wanted[-1] += counts[kept:].sum()
    level = np.arange(kept) * 128 // kept
    given_by_levels = np.zeros(kept)
    for each in range(128):
        inside = (level == each) & (counts[:kept] > 0)
        if inside.any():
            given_by_levels[inside] = counts[:kept][level == each].sum() / inside.sum()
    wanted /= wanted.sum()
    given_by_levels /= given_by_levels.sum()
    common = (wanted > 0) & (given_by_levels > 0)
    lost = wanted[(wanted > 0) & (given_by_levels == 0)].sum()
    return float((wanted[common] * np.log(wanted[common] / given_by_levels[common])).sum() + lost)


@pytest.mark.parametrize("name", DENSITIES)
def test_entropy_is_near_the_least_divergence(name: str) -> None:
    """Its divergence is within a twentieth of the least over all ranges that the method tries."""
    values = density(name)
    histogram = histogram_of(values)
    low, high = range_estimators.entropy_range(histogram)
    assert low == -high
    edges = np.arange(128, 1025, 16) / 1024 * histogram.reach
    best = min(divergence(values, histogram.reach, edge) for edge in edges)
    assert divergence(values, histogram.reach, high) <= 1.05 * best + 1e-5


@given(
    st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    st.sampled_from([4, 8, 16]),
)
def test_zero_is_exact_and_the_range_is_covered(first: float, second: float, bits: int) -> None:
    """0 is a whole number of steps, and both ends lie within half a step of a level."""
    low, high = min(first, second), max(first, second)
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    scale, zero_point = asymmetric_params(low, high, least, most)
    assert isinstance(zero_point, int)
    assert least <= zero_point <= most
    assert scale > 0
    slack = scale * (0.5 + 1e-3)
    assert (least - zero_point) * scale <= min(low, 0) + slack
    assert (most - zero_point) * scale >= max(high, 0) - slack


def test_a_range_of_nothing_has_a_scale() -> None:
    """[0, 0], which constant and silent tensors have."""
    scale, _ = asymmetric_params(0.0, 0.0)
    assert scale > 0
    for estimator in RangeEstimator:
        assert estimate_range(histogram_of(np.zeros(50)), estimator) == pytest.approx(
            (0, 0), abs=1e-6
        )
