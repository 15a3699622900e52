"""Product quantization (Jégou et al. 2011): a byte names one of 256 subvectors of four values.

Each subspace (four columns of the table) has a codebook of its own, made by k-means over the rows.
That is two bits a value, with less error than integers of two bits (docs/quantization-accuracy.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.records.weight_bits import ENTRIES, PIECE

ITERATIONS = 12  # of k-means

FloatArray = npt.NDArray[np.float32]
Codebooks = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]


def quantize_table(table: FloatArray) -> Codebooks:
    """The codes [rows, subspaces] of `table` and the codebooks [subspaces, ENTRIES, PIECE].

    PIECE divides the table's width. Equal tables give equal codebooks on one machine.
    """
    rows, width = table.shape
    codes = np.empty((rows, width // PIECE), np.uint8)
    codebooks = np.zeros((width // PIECE, ENTRIES, PIECE), np.float16)
    random = np.random.RandomState(0)
    for subspace in range(width // PIECE):
        vectors = np.ascontiguousarray(table[:, subspace * PIECE : (subspace + 1) * PIECE])
        codebooks[subspace], codes[:, subspace] = _cluster(vectors, random)
    return codes, codebooks


def _cluster(vectors: FloatArray, random: Any) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """The centroids of Lloyd's k-means and each vector's nearest one.

    It begins with random vectors; a centroid that is nearest to none stays where it was.
    """
    centroids = vectors[random.choice(len(vectors), ENTRIES, replace=len(vectors) < ENTRIES)]
    for _ in range(ITERATIONS):
        nearest = _nearest_centroids(vectors, centroids)
        counts = np.bincount(nearest, minlength=ENTRIES)[:, None]
        sums = [np.bincount(nearest, column, minlength=ENTRIES) for column in vectors.T]
        means = np.stack(sums, axis=1) / np.maximum(counts, 1)
        centroids = np.where(counts > 0, means, centroids).astype(np.float32)
    return centroids, _nearest_centroids(vectors, centroids)


def _nearest_centroids(vectors: FloatArray, centroids: FloatArray) -> npt.NDArray[np.intp]:
    # The squared distance without the vector's own square, which all centroids have alike.
    return np.asarray((np.square(centroids).sum(1) - 2 * vectors @ centroids.T).argmin(axis=1))
