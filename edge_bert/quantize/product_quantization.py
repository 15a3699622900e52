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

    PIECE divides the table's width. Equal tables give equal codebooks on one machine, and a table
    of `restore_table` the same once more.
    """
    rows, width = table.shape
    codes = np.empty((rows, width // PIECE), np.uint8)
    codebooks = np.zeros((width // PIECE, ENTRIES, PIECE), np.float16)
    random = np.random.RandomState(0)
    for subspace in range(width // PIECE):
        vectors = np.ascontiguousarray(table[:, subspace * PIECE : (subspace + 1) * PIECE])
        known = _keep_vectors(vectors)
        codebooks[subspace], codes[:, subspace] = known or _cluster(vectors, random)
    return codes, codebooks


def restore_table(codes: npt.NDArray[np.uint8], codebooks: npt.NDArray[np.float16]) -> FloatArray:
    """The table [rows, width] that codes and codebooks of `quantize_table` stand for."""
    pieces = codebooks[np.arange(len(codebooks)), codes].astype(np.float32)
    return pieces.reshape(len(codes), -1)


def _keep_vectors(vectors: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp]] | None:
    """Float16 vectors of which there are no more than centroids, as a training keeps a table."""
    sample = np.unique(vectors[: 4 * ENTRIES], axis=0)
    if len(sample) > ENTRIES or not np.array_equal(sample, sample.astype(np.float16)):
        return None
    distinct, nearest = np.unique(vectors, axis=0, return_inverse=True)
    if len(distinct) > ENTRIES or not np.array_equal(distinct, distinct.astype(np.float16)):
        return None
    centroids = np.zeros((ENTRIES, PIECE), np.float32)
    centroids[: len(distinct)] = distinct
    return centroids, nearest.reshape(-1)


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
