"""Clustering of an encoder's weights: one codebook for every matrix and for the word table.

Requires: weights of BERT's layers. Ensures: the same structure; every matrix of the layers, the
projection and the word table have few distinct integers on the int8 grid of a hybrid file. Adds
nothing to a loss, and trains nothing. The head stays: it has a hundredth of the weights, and
gives the answer. Han et al. 2016 (arXiv:1510.00149), on integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edge_bert.compress.cluster.cluster_matrix import (
    ClusteredMatrix,
    cluster_matrix,
    measure_bits,
    round_to_grid,
)
from edge_bert.encoder.config import MatrixRole
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress

WORD, PROJECTION = "embeddings.word", "embeddings.projection.kernel"


@dataclass(frozen=True)
class ClusteredEncoder:
    """An encoder whose weights are on the grid, and its codebooks by the names of arrays.

    `error` is the squared error of all clustered weights together as a share of their squares;
    `bits` and `bits_before` are the mean entropies of a weight's integer, clustered and not.
    """

    weights: EncoderWeights
    matrices: Mapping[str, ClusteredMatrix]
    error: float
    bits: float
    bits_before: float


def list_clustered(weights: EncoderWeights) -> Iterator[str]:
    """The arrays that are clustered; of layers that share their weights, those of the first."""
    yield WORD
    if weights.embeddings.projection is not None:
        yield PROJECTION
    for layer in dict.fromkeys(weights.tied_layers):
        for role in MatrixRole:
            yield f"layer.{layer}.{role.value}.kernel"


def cluster_encoder(
    weights: EncoderWeights, most: int, price: float, progress: Progress
) -> ClusteredEncoder:
    """The encoder with at most `most` distinct integers in each array of `list_clustered`.

    `price` is that of `cluster_matrix`.
    """
    arrays, matrices = weights.arrays, dict[str, ClusteredMatrix]()
    for name in list_clustered(weights):
        progress(f"clustering {name.removesuffix('.kernel')}")
        matrices[name] = cluster_matrix(arrays[name], most, price)
    sizes = np.array([arrays[name].size for name in matrices], np.float64)
    values = {name: matrix.values for name, matrix in matrices.items()}
    errors = sum(float(np.square(values[name] - arrays[name]).sum()) for name in matrices)
    squares = sum(float(np.square(arrays[name]).sum()) for name in matrices)
    before = [measure_bits(arrays[name]) for name in matrices]
    return ClusteredEncoder(
        weights=replace_arrays(weights, values),
        matrices=matrices,
        error=errors / squares,
        bits=float(np.average([matrix.bits for matrix in matrices.values()], weights=sizes)),
        bits_before=float(np.average(before, weights=sizes)),
    )


def count_integers(weights: EncoderWeights) -> int:
    """The most distinct integers that any of the arrays of `list_clustered` has on the grid."""
    arrays = weights.arrays
    return max(len(np.unique(round_to_grid(arrays[name])[0])) for name in list_clustered(weights))
