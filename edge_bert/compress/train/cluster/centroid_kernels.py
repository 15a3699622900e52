"""Matrices whose integers are learned by codebook: a weight stays with its centroid.

The gradient of a centroid is the sum of those of its weights (Han et al. 2016, arXiv:1510.00149),
straight through the rounding to integers of the grid. The scales of channels are learned too, as
in compress/train/qat, and rows are rounded as the runtime rounds them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from edge_bert.compress.cluster.cluster_matrix import STEPS, ClusteredMatrix, Integers
from edge_bert.compress.train.keras_student import read_variable
from edge_bert.compress.train.qat.lsq import damp_gradient, pass_through, round_rows
from edge_bert.compress.train.qat.quantized_student import LOG_SCALE, check_scales
from edge_bert.encoder.keras_bert import find_variable
from edge_bert.records.checkpoint import FloatArray

CENTROIDS = "centroids"  # a variable of a Dense, as shares of STEPS


@dataclass(frozen=True)
class CentroidKernel:
    """What a Dense computes with in place of its rows and kernel."""

    matrix: ClusteredMatrix

    def __call__(self, dense: Any, rows: Any) -> tuple[Any, Any]:
        """The rows and the kernel as the file has them."""
        codebook = self._round_codebook(getattr(dense, CENTROIDS))
        damping = 1.0 / math.sqrt(len(self.matrix.places) * STEPS)
        scales = ops.exp(damp_gradient(getattr(dense, LOG_SCALE), damping))
        integers = ops.take(codebook, ops.cast(self.matrix.places, "int32"), axis=0)
        return round_rows(rows), integers * scales

    def _round_codebook(self, shares: Any) -> Any:
        """The integers of the codebook; the ends of the grid stay, by which its scale is found.

        The gradient of a centroid is divided by the root of the number of its weights, so that it
        is no larger than that of a bias.
        """
        codebook = self.matrix.codebook
        counts = np.bincount(self.matrix.places.ravel(), minlength=len(codebook))
        damping = (1.0 / np.sqrt(np.maximum(counts, 1))).astype(np.float32)
        steps = damp_gradient(shares, damping) * STEPS
        steps = pass_through(steps, ops.round(ops.clip(steps, -STEPS, STEPS)))
        return ops.where(np.abs(codebook) == STEPS, codebook.astype(np.float32), steps)


def free_centroids(model: Any, matrices: Mapping[str, ClusteredMatrix]) -> None:
    """Have the clustered matrices of a Keras encoder, not called yet, learn their centroids.

    `matrices` are those of its kernels by name. A kernel itself is not trained any more.
    """
    for name, matrix in matrices.items():
        dense = find_variable(model, name.removesuffix(".kernel"))
        values = {
            CENTROIDS: matrix.codebook / np.float32(STEPS),
            LOG_SCALE: np.log(matrix.scales),
        }
        for own, value in values.items():
            variable = dense.add_weight(
                shape=value.shape, name=own, trainable=dense.kernel.trainable
            )
            variable.assign(value)
            setattr(dense, own, variable)
        dense.kernel.trainable = False
        dense.fake_quant = CentroidKernel(matrix)


def read_centroids(
    model: Any, matrices: Mapping[str, ClusteredMatrix]
) -> dict[str, ClusteredMatrix]:
    """The matrices with the integers and scales that the encoder has learned.

    Raises TrainingError for a scale that is 0 or no number.
    """
    learned = {}
    for name, matrix in matrices.items():
        dense = find_variable(model, name.removesuffix(".kernel"))
        codebook = _round_shares(read_variable(getattr(dense, CENTROIDS)), matrix.codebook)
        scales = check_scales(name, np.exp(read_variable(getattr(dense, LOG_SCALE))))
        learned[name] = ClusteredMatrix(codebook, matrix.places, scales)
    return learned


def _round_shares(shares: FloatArray, before: Integers) -> Integers:
    steps = np.rint(np.clip(shares * STEPS, -STEPS, STEPS)).astype(np.int16)
    return np.where(np.abs(before) == STEPS, before, steps)
