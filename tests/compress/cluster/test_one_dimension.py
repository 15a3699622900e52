"""K-means in one dimension, held against all ways to cut the values and against scipy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.cluster.vq import kmeans

from edge_bert.compress.cluster.one_dimension import (
    EXACT_VALUES,
    Clusters,
    Histogram,
    Numbers,
    cluster_values,
)


def cost_of(histogram: Histogram, clusters: Clusters, price: float = 0.0) -> float:
    """Weighted squared error, and the price of the entropy of all occurrences."""
    nearest = clusters.centroids[clusters.places]
    error = float((histogram.weights * (histogram.values - nearest) ** 2).sum())
    counts = np.bincount(clusters.places, histogram.counts)
    counts = counts[counts > 0]
    return error - price * float((counts * np.log2(counts / counts.sum())).sum())


def all_costs(
    histogram: Histogram, most: int, price: float, *, whole: bool, keep_ends: bool
) -> Iterator[float]:
    """The cost of every cut of the values into at most `most` intervals."""
    size = len(histogram.values)
    for count in range(2 if keep_ends else 1, most + 1):
        for cuts in itertools.combinations(range(1, size), count - 1):
            places = np.searchsorted(cuts, np.arange(size), side="right")
            means = _means(histogram, places, count)
            means = np.rint(means) if whole else means
            if keep_ends:
                means[0], means[-1] = histogram.values[0], histogram.values[-1]
            yield cost_of(histogram, Clusters(means, places), price)


def _means(histogram: Histogram, places: Numbers, count: int) -> Numbers:
    sums = np.bincount(places, histogram.weights * histogram.values, count)
    return sums / np.bincount(places, histogram.weights, count)


def random_histogram(size: int, seed: int) -> Histogram:
    """Distinct whole values whose weights are not their counts."""
    random = np.random.default_rng(seed)
    values = np.sort(random.choice(np.arange(-40, 40), size, replace=False)).astype(np.float64)
    counts = random.integers(1, 50, size).astype(np.float64)
    return Histogram(values, counts, counts * random.uniform(0.5, 2.0, size))


@pytest.mark.parametrize("price", [0.0, 3.0, 60.0])
@pytest.mark.parametrize(("whole", "keep_ends"), [(False, False), (True, False), (True, True)])
def test_no_cut_of_the_values_is_better(price: float, whole: bool, keep_ends: bool) -> None:
    """Of ten values, with and without a price on bits, whole centroids and kept ends."""
    for seed, most in itertools.product(range(3), (2, 3, 4)):
        histogram = random_histogram(10, seed)
        clusters = cluster_values(histogram, most, price, whole=whole, keep_ends=keep_ends)
        least = min(all_costs(histogram, most, price, whole=whole, keep_ends=keep_ends))
        assert cost_of(histogram, clusters, price) == pytest.approx(least, rel=1e-9)
        assert len(clusters.centroids) <= most
        if whole:
            np.testing.assert_array_equal(clusters.centroids, np.rint(clusters.centroids))
        if keep_ends:
            ends = clusters.centroids[[0, -1]]
            np.testing.assert_array_equal(ends, histogram.values[[0, -1]])


def test_it_is_at_least_as_good_as_scipy() -> None:
    """Scipy's best of 50 runs of Lloyd's algorithm on the same points."""
    points = np.random.default_rng(0).normal(size=300)
    clusters = cluster_values(Histogram.of(points), 6)
    centroids = np.sort(kmeans(points, 6, iter=50, rng=np.random.default_rng(1))[0])
    of_scipy = float((np.abs(points[:, None] - centroids).min(axis=1) ** 2).sum())
    assert cost_of(Histogram.of(points), clusters) <= of_scipy * (1 + 1e-9)


def test_a_price_on_bits_leaves_fewer_of_them() -> None:
    """The entropy falls as the price rises, and the error rises."""
    histogram = Histogram.of(np.rint(np.random.default_rng(0).normal(size=4000) * 30))
    runs = [cluster_values(histogram, 32, price, whole=True) for price in (0.0, 5.0, 50.0)]
    errors = [cost_of(histogram, run) for run in runs]
    bits = [cost_of(histogram, run, 1.0) - cost_of(histogram, run) for run in runs]
    assert errors == sorted(errors)
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 0.8 * bits[0]


def test_more_values_than_the_exact_way_takes_come_close_to_it() -> None:
    """Lloyd's algorithm on all values, beside the exact clusters of a fine histogram of them."""
    points = np.random.default_rng(0).normal(size=4 * EXACT_VALUES)
    histogram = Histogram.of(points)
    assert len(histogram.values) > EXACT_VALUES
    clusters = cluster_values(histogram, 8, seed=3)
    fine = Histogram.of(np.rint(points * 100) / 100)
    exact = cluster_values(fine, 8).centroids
    least = float((np.abs(points[:, None] - exact).min(axis=1) ** 2).sum())
    assert least * 0.999 < cost_of(histogram, clusters) < least * 1.02
    again = cluster_values(histogram, 8, seed=3)
    np.testing.assert_array_equal(again.places, clusters.places)


def test_fewer_values_than_clusters_stay_as_they_are() -> None:
    """Nothing is invented, and one value is one cluster."""
    clusters = cluster_values(Histogram.of(np.array([3.0, -1.0, 3.0])), 8, keep_ends=True)
    np.testing.assert_array_equal(clusters.centroids, [-1.0, 3.0])
    np.testing.assert_array_equal(clusters.places, [0, 1])
    alone = cluster_values(Histogram.of(np.zeros(5)), 4, 0.1, whole=True, keep_ends=True)
    np.testing.assert_array_equal(alone.centroids, [0.0])


@pytest.mark.parametrize(("most", "keep_ends"), [(0, False), (1, True)])
def test_too_few_clusters_are_refused(most: int, keep_ends: bool) -> None:
    """Two ends need two."""
    with pytest.raises(ValueError, match="too few"):
        cluster_values(Histogram.of(np.arange(9)), most, keep_ends=keep_ends)


def test_many_values_have_no_price() -> None:
    """Lloyd's algorithm does not know it, so that it is refused and not forgotten."""
    histogram = Histogram.of(np.arange(EXACT_VALUES + 1))
    with pytest.raises(ValueError, match="too many"):
        cluster_values(histogram, 8, 0.1)
