"""A matrix or table on the int8 grid, whose integers are those of a small codebook."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.compress.cluster.one_dimension import Histogram, Numbers, cluster_values
from edge_bert.records.checkpoint import FloatArray

STEPS = 127  # of the int8 grid, to each side of 0
LEAST, MOST = 2, 255  # centroids: the two ends, and all integers of the grid

Integers = npt.NDArray[np.int16]


@dataclass(frozen=True)
class ClusteredMatrix:
    """A matrix [inputs, outputs] or table [rows, columns]: integers of a codebook times scales.

    `codebook` [k] has integers of the int8 grid, ascending, `places` [rows, columns] the place of
    each weight's there, and `scales` [columns] what an integer of a column stands for.
    """

    codebook: Integers
    places: npt.NDArray[np.uint8]
    scales: FloatArray

    @property
    def integers(self) -> Integers:
        """The integers that the file has, [rows, columns]."""
        return self.codebook[self.places]

    @property
    def values(self) -> FloatArray:
        """The weights in float32, on the grid."""
        return restore_values(self.integers, self.scales)

    @property
    def bits(self) -> float:
        """What a weight takes in a code made for its codebook; see `count_bits`."""
        return count_bits(np.bincount(self.places.ravel()).astype(np.float64))


def round_to_grid(matrix: FloatArray) -> tuple[Integers, FloatArray]:
    """The integers of a matrix on the int8 grid and the scale of each column, as hybrid files have.

    The largest weight of a column is 127 steps. A column of zeros has the scale 1.
    """
    peaks = np.abs(matrix).max(axis=0)
    scales = np.where(peaks > 0, peaks / STEPS, 1.0).astype(np.float32)
    return np.clip(np.rint(matrix / scales), -STEPS, STEPS).astype(np.int16), scales


def restore_values(integers: Integers, scales: FloatArray) -> FloatArray:
    """The floats that integers stand for."""
    return np.asarray(integers.astype(np.float32) * scales, np.float32)


def cluster_matrix(matrix: FloatArray, most: int, price: float = 0.0) -> ClusteredMatrix:
    """`matrix` on the int8 grid with at most `most` different integers, the squared error least.

    A bit of a weight costs `price` times the mean square of the weights. The ends of the grid are
    in every codebook, so that whoever takes a column's scale from its largest weight finds the
    same integers.
    """
    integers, scales = round_to_grid(matrix)
    histogram = _weigh_integers(integers, scales)
    mean_square = float((histogram.weights * histogram.values**2).sum() / integers.size)
    clusters = cluster_values(histogram, most, price * mean_square, whole=True, keep_ends=True)
    places = np.zeros(2 * STEPS + 1, np.uint8)
    places[histogram.values.astype(np.int16) + STEPS] = clusters.places
    codebook = clusters.centroids.astype(np.int16)
    return ClusteredMatrix(codebook, places[integers + STEPS], scales)


def count_bits(counts: Numbers) -> float:
    """The entropy in bits of symbols that occur so often."""
    shares = counts[counts > 0] / max(counts.sum(), 1.0)
    return float(-(shares * np.log2(shares)).sum())


def measure_bits(matrix: FloatArray) -> float:
    """The entropy in bits of a matrix's integers on the int8 grid, not clustered."""
    integers, _ = round_to_grid(matrix)
    return count_bits(np.bincount((integers + STEPS).ravel()).astype(np.float64))


def _weigh_integers(integers: Integers, scales: FloatArray) -> Histogram:
    """How often each integer occurs; an error weighs by the square of its column's scale.

    Weights are of mean 1 over all of the matrix.
    """
    bins = (integers + STEPS).ravel()
    squares = np.broadcast_to(np.square(scales, dtype=np.float64), integers.shape)
    counts = np.bincount(bins, minlength=2 * STEPS + 1).astype(np.float64)
    weights = np.bincount(bins, squares.ravel(), minlength=2 * STEPS + 1)
    present = np.flatnonzero(counts)
    values = (present - STEPS).astype(np.float64)
    shares = weights[present] / weights.sum()
    return Histogram(values, counts[present], np.asarray(shares * counts.sum(), np.float64))
