"""What MPNet adds to attention scores: a number for each head and distance between two tokens.

Distances share a row of a table [buckets, heads] by T5's rule (Raffel et al. 2019,
arXiv:1910.10683): half of the buckets for tokens that follow, half for tokens that precede; near
distances have a bucket each, far ones share it on a logarithmic scale.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray

IntArray = npt.NDArray[np.int32]
BUCKETS, MAX_DISTANCE = 32, 128  # transformers' MPNet computes with these, whatever config.json has


@functools.lru_cache(maxsize=64)
def distance_buckets(length: int) -> IntArray:
    """The bucket of each distance from 1 - `length` to `length` - 1, [2 * length - 1].

    A distance is the position of the token that is read less that of the token that reads.
    """
    distances = np.arange(1 - length, length)
    half, far = BUCKETS // 2, np.abs(distances)
    exact = half // 2
    # In float32, as PyTorch computes it: some distances lie on the edge of a bucket.
    share = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(exact))
    share = share / np.float32(np.log(MAX_DISTANCE / exact)) * np.float32(half - exact)
    logarithmic = np.minimum(exact + share.astype(np.int32), half - 1)
    return np.asarray(np.where(far < exact, far, logarithmic) + half * (distances > 0), np.int32)


def bucket_matrix(length: int) -> IntArray:
    """The bucket of each pair of tokens, [length that reads, length that is read]."""
    positions = np.arange(length)
    columns = positions[None, :] - positions[:, None] + length - 1
    return np.asarray(distance_buckets(length)[columns], np.int32)


def relative_bias(table: FloatArray, length: int) -> FloatArray:
    """What is added to the scores of `length` tokens, [heads, length, length]."""
    return np.ascontiguousarray(table.T[:, bucket_matrix(length)], np.float32)
