"""K-means in one dimension: exact for as many values as a grid has steps, Lloyd's for more.

In one dimension the best clusters are intervals, so dynamic programming finds them (Wang & Song
2011, "Ckmeans.1d.dp"). With a price on the bits that an entropy coder takes they still are, since
the bits of an interval depend on its own count alone: this is entropy-constrained quantization
(Chou, Lookabaugh & Gray 1989), without its local minima.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

EXACT_VALUES = 1024  # distinct ones; the table of all intervals then takes 8 MB
RESTARTS, ITERATIONS = 8, 300  # of Lloyd's algorithm

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """Distinct `values` [n], ascending, how often each occurs, and what its squared error weighs.

    A weight is over all occurrences together; without a reason for another it is the count.
    """

    values: Numbers
    counts: Numbers
    weights: Numbers

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Histogram:
        """That of plain values, which weigh alike."""
        distinct, counts = np.unique(values, return_counts=True)
        wide = counts.astype(np.float64)
        return cls(distinct.astype(np.float64), wide, wide)


@dataclass(frozen=True)
class Clusters:
    """Centroids [k], ascending, and for each value of a histogram the place of its own [n]."""

    centroids: Numbers
    places: npt.NDArray[np.intp]


def cluster_values(
    histogram: Histogram,
    most: int,
    price: float = 0.0,
    *,
    whole: bool = False,
    keep_ends: bool = False,
    seed: int = 0,
) -> Clusters:
    """At most `most` clusters with the least weighted squared error.

    `price` is what a bit of one value costs in squared error. With `whole`, centroids are whole
    numbers; with `keep_ends`, the least and the greatest value are centroids. Exact for up to
    EXACT_VALUES values; of more, the best of several runs of Lloyd's algorithm, which has neither
    `price` nor `keep_ends`. Raises ValueError for less than one cluster, or two with `keep_ends`.
    """
    if most < (2 if keep_ends else 1):
        raise ValueError(f"{most} clusters are too few")
    if len(histogram.values) > EXACT_VALUES:
        if price or keep_ends:
            raise ValueError(f"{len(histogram.values)} values are too many for a price or ends")
        return _cluster_by_lloyd(histogram, most, np.random.default_rng(seed), whole=whole)
    if len(histogram.values) <= 2 and keep_ends:
        return Clusters(histogram.values, np.arange(len(histogram.values)))
    costs, centroids = _price_intervals(histogram, price, whole=whole, keep_ends=keep_ends)
    starts = _split_exactly(costs, most)
    ends = np.append(starts[1:], len(histogram.values))
    places = np.repeat(np.arange(len(starts)), ends - starts)
    return _join_equal(centroids[starts, ends], places)


def _price_intervals(
    histogram: Histogram, price: float, *, whole: bool, keep_ends: bool
) -> tuple[Numbers, Numbers]:
    """For each interval [first, end) of the values its cost and its centroid, [n, n + 1]."""
    values, weights = histogram.values, histogram.weights
    offset = values.mean() if len(values) else 0.0  # sums of squares then lose fewer digits
    offset = float(np.rint(offset))
    moments = [_sum_intervals(weights * (values - offset) ** power) for power in range(3)]
    count = _sum_intervals(histogram.counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        centroids = np.where(moments[0] > 0, moments[1] / moments[0], 0.0)
        bits = np.where(count > 0, -np.log2(count / histogram.counts.sum()), 0.0)
    centroids = np.rint(centroids) if whole else centroids
    if keep_ends:
        centroids[0, :], centroids[:, -1] = values[0] - offset, values[-1] - offset
    errors = moments[2] + centroids * (centroids * moments[0] - 2.0 * moments[1])
    costs = np.maximum(errors, 0.0) + price * count * bits
    if keep_ends:
        costs[0, -1] = np.inf  # one interval cannot have both
    empty = np.arange(len(values))[:, None] >= np.arange(len(values) + 1)
    return np.where(empty, np.inf, costs), centroids + offset


def _sum_intervals(terms: Numbers) -> Numbers:
    """The sum of `terms` [n] over each interval [first, end), [n, n + 1]."""
    sums = np.append(0.0, np.cumsum(terms))
    return np.asarray(sums[None, :] - sums[:-1, None])


def _split_exactly(costs: Numbers, most: int) -> npt.NDArray[np.intp]:
    """The first value of each of at most `most` intervals that cover all values at least cost.

    `best[j]` is the least cost of the first j values in as many intervals as the round.
    """
    size = costs.shape[1]
    best = np.append(0.0, np.full(size - 1, np.inf))
    totals, choices = [], []
    for _ in range(min(most, size - 1)):
        candidates = best[:-1, None] + costs
        choices.append(candidates.argmin(axis=0))
        best = candidates.min(axis=0)
        totals.append(best[-1])
    end, starts = size - 1, []
    for choice in reversed(choices[: int(np.argmin(totals)) + 1]):
        end = int(choice[end])
        starts.append(end)
    return np.array(starts[::-1], np.intp)


def _cluster_by_lloyd(
    histogram: Histogram, most: int, generator: np.random.Generator, *, whole: bool
) -> Clusters:
    """Lloyd 1982 from k-means++ (Arthur & Vassilvitskii 2007)."""
    runs = [
        _run_lloyd(histogram, _seed_centroids(histogram, most, generator)) for _ in range(RESTARTS)
    ]
    centroids = min(runs, key=lambda run: _measure_error(histogram, run))
    centroids = np.unique(np.rint(centroids) if whole else centroids)
    return _join_equal(centroids, _find_nearest(histogram.values, centroids))


def _seed_centroids(histogram: Histogram, most: int, generator: np.random.Generator) -> Numbers:
    """Values drawn by their weight times the squared distance to those that are drawn."""
    values, chances = histogram.values, histogram.weights
    drawn: list[float] = []
    for _ in range(min(most, len(values))):
        total = chances.sum()
        if total <= 0:
            break
        drawn.append(float(generator.choice(values, p=chances / total)))
        nearest = np.abs(values[:, None] - np.array(drawn)).min(axis=1)
        chances = histogram.weights * nearest**2
    return np.sort(drawn)


def _run_lloyd(histogram: Histogram, centroids: Numbers) -> Numbers:
    for _ in range(ITERATIONS):
        places = _find_nearest(histogram.values, centroids)
        size = len(centroids)
        weights = np.bincount(places, histogram.weights, size)
        sums = np.bincount(places, histogram.weights * histogram.values, size)
        means = np.where(weights > 0, sums / np.maximum(weights, 1e-300), centroids)
        if np.array_equal(means, centroids):
            break
        centroids = means
    return centroids


def _find_nearest(values: Numbers, centroids: Numbers) -> npt.NDArray[np.intp]:
    """The place of the nearest of ascending centroids, for each value."""
    return np.searchsorted((centroids[:-1] + centroids[1:]) / 2, values)


def _measure_error(histogram: Histogram, centroids: Numbers) -> float:
    nearest = centroids[_find_nearest(histogram.values, centroids)]
    return float((histogram.weights * (histogram.values - nearest) ** 2).sum())


def _join_equal(centroids: Numbers, places: npt.NDArray[np.intp]) -> Clusters:
    """Clusters whose centroids differ: rounding can make two of them one."""
    distinct, joined = np.unique(centroids, return_inverse=True)
    return Clusters(distinct, joined[places])
