"""Statistics of raw times, and the bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.records.latency import LatencySummary

# Tukey's outer fence: values beyond so many interquartile ranges are far out.
FENCE = 3.0
RESAMPLES = 10_000


def summarize_times(runs_us: Sequence[float]) -> LatencySummary:
    """Sum up raw times in microseconds; outliers are named, not dropped.

    Percentiles interpolate linearly between neighbours. Raises ValueError without values.
    """
    values = np.asarray(runs_us, np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("statistics need at least one value, all of them finite")
    p5, q1, median, q3, p95 = np.percentile(values, [5, 25, 50, 75, 95])
    fence = FENCE * (q3 - q1)
    outliers = np.flatnonzero((values < q1 - fence) | (values > q3 + fence))
    return LatencySummary(
        count=int(values.size),
        median_us=float(median),
        p5_us=float(p5),
        p95_us=float(p95),
        mean_us=float(values.mean()),
        std_us=float(values.std(ddof=1)) if values.size > 1 else 0.0,
        min_us=float(values.min()),
        max_us=float(values.max()),
        spread=float((p95 - p5) / median) if median else 0.0,
        outliers=tuple(int(index) for index in outliers),
    )


def bootstrap_interval(
    values: Sequence[float], *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean (Efron 1979), the same for the same seed.

    Raises ValueError for fewer than two values: one value says nothing about its error.
    """
    data = np.asarray(values, np.float64)
    if data.size < 2 or not np.isfinite(data).all():
        raise ValueError("an interval needs at least two finite values")
    random = np.random.default_rng(seed)
    means = data[random.integers(0, data.size, (RESAMPLES, data.size))].mean(axis=1)
    tail = (1 - confidence) / 2 * 100
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)
