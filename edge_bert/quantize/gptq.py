"""GPTQ (Frantar et al. 2022, arXiv:2210.17323): rounding that compensates for its own errors.

The columns of a matrix are rounded one after the other. The columns still to be rounded are changed
so that they undo the error in the output, as far as the inputs are correlated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize import channelwise
from edge_bert.quantize.blockwise import Blocks, FloatArray, keep_blocks, least_error_scales
from edge_bert.quantize.channelwise import Channels, keep_channels, round_to_bits
from edge_bert.records.weight_bits import STEPS

DAMPING = 0.01  # share of the Hessian's mean diagonal that is added to it: the paper's value
CHUNK = 64  # columns that are rounded before those behind them are changed
# Tried for each channel: shares of the scale with the least error before anything is compensated.
SCALE_SHARES = (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1)
Hessian = npt.NDArray[np.float64]


def quantize_gptq(matrix: FloatArray, hessian: Hessian, block: int) -> Blocks:
    """`matrix` [outputs, inputs] in int4 blocks, as `quantize_blockwise` gives them.

    `hessian` [inputs, inputs] is the sum of x xT over the rows x that the matrix is multiplied by.
    A matrix that lies on such a grid keeps its integers. Raises ValueError where `hessian` has
    another size.
    """
    _check_size(matrix, hessian)
    outputs, inputs = matrix.shape
    trained = keep_blocks(matrix, block)
    if trained is not None:
        return trained
    upper = _inverse_root(hessian)
    weights = matrix.astype(np.float32).copy()
    values = np.empty(matrix.shape, np.int8)
    scales = np.empty((outputs, inputs // block), np.float16)
    for number in range(inputs // block):
        columns = slice(number * block, (number + 1) * block)
        scales[:, number] = least_error_scales(weights[:, columns])
        scale = scales[:, number].astype(np.float32)
        pivots = upper[columns, columns]
        values[:, columns], errors = _round_columns(weights[:, columns], scale, pivots, 4)
        weights[:, columns.stop :] -= errors @ upper[columns, columns.stop :]
    return values, scales


def quantize_gptq_channels(matrix: FloatArray, hessian: Hessian, bits: int) -> Channels:
    """`matrix` [outputs, inputs] in 2 or 4 bits, as `quantize_channelwise` gives them.

    The columns with the largest moments come first. Each row takes the scale of `SCALE_SHARES`
    that leaves its output the least squared error, fitted to its steps. A matrix that lies on such
    a grid keeps its integers. Raises ValueError where `hessian` has another size.
    """
    _check_size(matrix, hessian)
    trained = keep_channels(matrix, bits)
    if trained is not None:
        return trained
    order = np.argsort(-np.diag(hessian), kind="stable")
    weights, ordered = matrix[:, order], hessian[np.ix_(order, order)]
    upper, moments = _inverse_root(ordered), _damp(ordered).astype(np.float32)
    start = channelwise.least_error_scales(weights, bits, np.diag(moments))
    least_error = np.full(len(matrix), np.inf, np.float32)
    values, scales = np.zeros(matrix.shape, np.int8), start
    for share in SCALE_SHARES:
        tried = np.maximum(np.float32(share) * start, channelwise.MIN_SCALE)
        steps = _round_rows(weights, tried, upper, bits)
        scale, error = _fit_to_output(weights, steps, tried, moments)
        better = error < least_error
        values[np.ix_(better, order)] = steps[better]
        scales = np.where(better, scale, scales)
        least_error = np.where(better, error, least_error)
    return values, scales


def quantize_gptq_int8(matrix: FloatArray, hessian: Hessian) -> Channels:
    """`matrix` [outputs, inputs] in 8 bits, the longest step at the largest weight of its row.

    As in `quantize_gptq_channels`, columns with the largest moments come first and `hessian` must
    fit. A row of zeros gets the largest scale of all, which XNNPACK takes.
    """
    _check_size(matrix, hessian)
    peaks = np.abs(matrix).max(axis=1)
    longest = STEPS[8][1]
    scales = np.maximum(np.where(peaks > 0, peaks, peaks.max()) / longest, channelwise.MIN_SCALE)
    scales = scales.astype(np.float32)
    order = np.argsort(-np.diag(hessian), kind="stable")
    upper = _inverse_root(hessian[np.ix_(order, order)])
    values = np.empty(matrix.shape, np.int8)
    values[:, order] = _round_rows(matrix[:, order], scales, upper, 8)
    return values, scales


def _check_size(matrix: FloatArray, hessian: Hessian) -> None:
    inputs = matrix.shape[1]
    if hessian.shape != (inputs, inputs):
        raise ValueError(f"Hessian {hessian.shape} of a matrix with {inputs} inputs")


def _fit_to_output(
    weights: FloatArray, steps: FloatArray, scale: FloatArray, moments: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The scale of each row with which its output is nearest to that of `weights`, and the error.

    `scale` stays where that would not be above 0.
    """
    seen = steps @ moments
    product, square = (seen * weights).sum(axis=1), (seen * steps).sum(axis=1)
    fitted = np.divide(product, square, out=scale.copy(), where=square > 0)
    fitted = np.where(fitted > channelwise.MIN_SCALE, fitted, scale)
    rest = weights - steps * fitted[:, None]
    return fitted, ((rest @ moments) * rest).sum(axis=1)


def _round_rows(weights: FloatArray, scale: FloatArray, upper: FloatArray, bits: int) -> FloatArray:
    """The steps of all columns, rounded in chunks from the first to the last."""
    weights, steps = weights.astype(np.float32).copy(), np.empty(weights.shape, np.float32)
    for first in range(0, weights.shape[1], CHUNK):
        columns = slice(first, min(first + CHUNK, weights.shape[1]))
        pivots = upper[columns, columns]
        steps[:, columns], errors = _round_columns(weights[:, columns], scale, pivots, bits)
        weights[:, columns.stop :] -= errors @ upper[columns, columns.stop :]
    return steps


def _round_columns(
    weights: FloatArray, scale: FloatArray, upper: FloatArray, bits: int
) -> tuple[Any, FloatArray]:
    """The steps of some columns, each row with one scale, and their errors over the pivots."""
    weights = weights.copy()
    steps, errors = np.empty_like(weights), np.empty_like(weights)
    for column in range(weights.shape[1]):
        steps[:, column] = round_to_bits(weights[:, column, None], scale, bits)[:, 0]
        error = (weights[:, column] - steps[:, column] * scale) / upper[column, column]
        weights[:, column + 1 :] -= np.outer(error, upper[column, column + 1 :])
        errors[:, column] = error
    return steps, errors


def _inverse_root(hessian: Hessian) -> FloatArray:
    """The upper triangular U with UT U = the inverse of the damped Hessian."""
    return np.linalg.cholesky(np.linalg.inv(_damp(hessian))).T.astype(np.float32)


def _damp(hessian: Hessian) -> Hessian:
    damped = hessian.astype(np.float64).copy()
    diagonal = np.einsum("ii->i", damped)
    mean = diagonal.mean()
    diagonal += DAMPING * mean if mean > 0 else 1.0
    return damped
