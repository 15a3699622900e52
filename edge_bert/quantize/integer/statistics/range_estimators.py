"""Range estimators: which part of the observed values an 8-bit tensor should cover.

All of them work on a histogram that one pass over the calibration set has filled.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.statistics.histogram import Histogram

Array = npt.NDArray[Any]
Range = tuple[float, float]
CUTS = np.linspace(0.2, 1.0, 41)
PERCENTILE = 99.99
QUANTIZED_BINS = 128


class RangeEstimator(enum.Enum):
    """The ways to choose a range."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    MSE = "mse"
    ENTROPY = "entropy"


def estimate_range(histogram: Histogram, estimator: RangeEstimator) -> Range:
    """The range that `estimator` picks, never wider than the observed one."""
    low, high = np.clip(_ESTIMATORS[estimator](histogram), histogram.low, histogram.high)
    return float(min(low, high)), float(max(low, high))


def minmax_range(histogram: Histogram) -> Range:
    """The observed extremes."""
    return histogram.low, histogram.high


def percentile_range(histogram: Histogram, share: float = PERCENTILE) -> Range:
    """Without the smallest and largest (100 - share) / 2 percent of the values."""
    total = np.cumsum(histogram.counts) / histogram.counts.sum()
    tail = (1 - share / 100) / 2
    centres = histogram.centers()
    low = centres[int(np.searchsorted(total, tail))]
    high = centres[min(int(np.searchsorted(total, 1 - tail)), len(centres) - 1)]
    return float(low), float(high)


def mse_range(histogram: Histogram, levels: int = 256) -> Range:
    """The range of least squared error: rounding inside against clipping outside.

    The two ends are searched in turn, each over 41 cuts, which suffices because the error is
    convex in each (as in Banner et al. 2019, arXiv:1810.05723, there with an assumed density).
    """
    low, high = minmax_range(histogram)
    for _ in range(2):
        high = _best(histogram, [(low, high_end) for high_end in histogram.high * CUTS], levels)[1]
        low = _best(histogram, [(low_end, high) for low_end in histogram.low * CUTS], levels)[0]
    return low, high


def _best(histogram: Histogram, candidates: list[Range], levels: int) -> Range:
    errors = [_squared_error(histogram, min(a, b), max(a, b), levels) for a, b in candidates]
    return candidates[int(np.argmin(errors))]


def _squared_error(histogram: Histogram, low: float, high: float, levels: int) -> float:
    """The squared distance of clipped values, and step^2 / 12 of the others, which are rounded."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / (levels - 1)
    centres = histogram.centers()
    clipped = centres - np.clip(centres, low, high)
    inside = step**2 / 12 * (clipped == 0)
    return float(np.sum(histogram.counts * (np.square(clipped) + inside)))


def entropy_range(histogram: Histogram) -> Range:
    """The symmetric range whose quantized histogram diverges least from the observed one.

    Kullback-Leibler divergence over 128 levels, as in TensorRT's calibration (Migacz 2017).
    """
    counts = _fold(histogram)
    lowest, best_size = np.inf, len(counts)
    for size in range(QUANTIZED_BINS, len(counts) + 1, QUANTIZED_BINS // 8):
        divergence = _divergence(counts, size)
        if divergence < lowest:
            lowest, best_size = divergence, size
    reach = histogram.reach * best_size / len(counts)
    return -reach, reach


def _fold(histogram: Histogram) -> Array:
    """The counts of magnitudes."""
    half = len(histogram.counts) // 2
    return np.asarray(histogram.counts[half:] + histogram.counts[:half][::-1])


def _divergence(counts: Array, size: int) -> float:
    """Of the first `size` bins, the rest clipped into the last, in QUANTIZED_BINS levels.

    A level's count is spread evenly over those of its bins that hold anything.
    """
    observed = counts[:size].copy()
    observed[-1] += counts[size:].sum()
    edges = np.linspace(0, size, QUANTIZED_BINS + 1).astype(int)
    quantized = np.zeros(size)
    for first, stop in itertools.pairwise(edges):
        level = counts[first:stop]
        filled = level > 0
        if filled.any():
            quantized[first:stop][filled] = level.sum() / filled.sum()
    observed, quantized = observed / max(observed.sum(), 1.0), quantized / max(quantized.sum(), 1.0)
    both = (observed > 0) & (quantized > 0)
    uncovered = float(observed[(observed > 0) & (quantized == 0)].sum())
    return float(np.sum(observed[both] * np.log(observed[both] / quantized[both]))) + uncovered


_ESTIMATORS: dict[RangeEstimator, Callable[[Histogram], Range]] = {
    RangeEstimator.MINMAX: minmax_range,
    RangeEstimator.PERCENTILE: percentile_range,
    RangeEstimator.MSE: mse_range,
    RangeEstimator.ENTROPY: entropy_range,
}
