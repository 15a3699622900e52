"""Statistics of raw times, and an interval of a mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.records.latency import LatencySummary

# Tukey's outer fence: values beyond so many interquartile ranges are far out.
FENCE = 3.0


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


def student_interval(values: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the mean by Student's t (1908), which holds for as few values as six.

    The bootstrap's is too narrow for so few. Raises ValueError for fewer than two values: one
    value says nothing about its error.
    """
    data = np.asarray(values, np.float64)
    if data.size < 2 or not np.isfinite(data).all():
        raise ValueError("an interval needs at least two finite values")
    error = float(data.std(ddof=1) / np.sqrt(data.size))
    half = student_half_width(error, data.size - 1, confidence)
    return float(data.mean()) - half, float(data.mean()) + half


def student_half_width(error: float, freedom: int, confidence: float = 0.95) -> float:
    """Half of the interval of a value with this standard error, by Student's t."""
    from scipy.special import stdtrit  # slow to import, and only measured energy needs it

    return float(stdtrit(freedom, (1 + confidence) / 2)) * error
