"""Matrices with fewer inputs or outputs, refitted so that what stays stands in for what goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.compress.prune.covariance import Double
from edge_bert.compress.prune.importance import InputImportance
from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.errors import InputError


def select_outputs(dense: DenseWeights, channels: Sequence[int]) -> DenseWeights:
    """The matrix with only these of its outputs."""
    columns = list(channels)
    return DenseWeights(dense.kernel[..., columns], dense.bias[..., columns])


def refit_matrix(
    dense: DenseWeights, inputs: InputImportance, channels: Sequence[int]
) -> DenseWeights:
    """The matrix with only these of its inputs; the mean of the others goes into its bias."""
    kernel = dense.kernel.astype(np.float64)
    fitted, bias_gain = refit_kernel(inputs.covariance, inputs.mean, kernel, channels)
    return DenseWeights(fitted.astype(np.float32), dense.bias + bias_gain.astype(np.float32))


def refit_kernel(
    covariance: Double, mean: Double, kernel: Double, channels: Sequence[int]
) -> tuple[Double, Double]:
    """The kernel [channels, outputs] that best replaces `kernel`, and its bias's gain [outputs].

    Least squares over the inputs that `covariance` and `mean` describe: closed form.
    """
    rows = np.asarray(channels)
    fitted = np.linalg.solve(covariance[np.ix_(rows, rows)], covariance[rows] @ kernel)
    return fitted, mean @ kernel - mean[rows] @ fitted


def check_counts(
    what: str, counts: Sequence[int], weights: EncoderWeights, present: Sequence[int]
) -> None:
    """Raise InputError unless every layer keeps from 1 to all of what is present.

    Layers that share their weights, as ALBERT's do, must keep all: pruned one by one they would
    become different, and the file larger.
    """
    if tuple(counts) != tuple(present) and weights.shares_layers:
        raise InputError(
            f"this model's layers share their weights, so its {what} cannot go layer by layer; "
            "drop layers or tokens instead."
        )
    if len(counts) != len(present) or not all(
        1 <= count <= most for count, most in zip(counts, present, strict=True)
    ):
        raise InputError(
            f"{list(counts)} {what} cannot be kept of {list(present)}; give every layer a number "
            "from 1 to what it has."
        )
