"""Symmetric integers of two or four bits with one float32 scale per output channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.recover_grid import keep_codes
from edge_bert.quantize.uniform import round_to_step
from edge_bert.records.weight_bits import PER_BYTE, STEPS

# Shares of a channel's largest magnitude that its longest step may stand for, to start from.
SHARES = np.linspace(0.2, 1.0, 33, dtype=np.float32)
REFITS = 4  # times that the scale is fitted to the steps and the steps to the scale
MIN_SCALE = np.float32(2.0**-126)  # the smallest normal float32

FloatArray = npt.NDArray[np.float32]
Channels = tuple[npt.NDArray[np.int8], FloatArray]


def quantize_channelwise(matrix: FloatArray, bits: int) -> Channels:
    """`matrix` [outputs, inputs] in steps of `bits` bits and the scales [outputs].

    Each value goes to the nearest step of the scale with the least squared error; a matrix that
    lies on such a grid keeps its integers (recover_grid.py).
    """
    trained = keep_channels(matrix, bits)
    if trained is not None:
        return trained
    scales = least_error_scales(matrix, bits)
    return round_to_bits(matrix, scales, bits).astype(np.int8), scales


def keep_channels(matrix: FloatArray, bits: int) -> Channels | None:
    """The integers of a matrix on a grid of `bits` bits; None for a matrix on no such grid."""
    kept = keep_codes(matrix, matrix.shape[1], *STEPS[bits])
    if kept is None:
        return None
    codes, scales = kept[0], kept[1][:, 0]
    return codes, np.where(scales > 0, np.maximum(scales, MIN_SCALE), np.float32(1))


def least_error_scales(
    matrix: FloatArray, bits: int, importance: FloatArray | None = None
) -> FloatArray:
    """The scale [outputs] of each row with the least squared error, values clipped to it.

    `importance` [inputs] weighs the squares of the columns. A row of zeros gets the scale 1.
    """
    peaks = np.abs(matrix).max(axis=1)
    least_error = np.full(peaks.shape, np.inf, np.float32)
    scales = np.ones(peaks.shape, np.float32)
    weight = np.ones(matrix.shape[1], np.float32) if importance is None else importance
    for share in SHARES:
        scale = np.maximum(peaks * (share / STEPS[bits][1]), MIN_SCALE)
        for _ in range(REFITS):
            scale = _fit_scale(matrix, round_to_bits(matrix, scale, bits), weight, scale)
        steps = round_to_bits(matrix, scale, bits)
        error = np.square(steps * scale[:, None] - matrix) @ weight
        better = (error < least_error) & (peaks > 0)
        scales = np.where(better, scale, scales)
        least_error = np.where(better, error, least_error)
    return scales


def _fit_scale(
    matrix: FloatArray, steps: FloatArray, weight: FloatArray, scale: FloatArray
) -> FloatArray:
    """The scale with which `steps` are nearest to the rows; as it was where all steps are 0."""
    product, square = (matrix * steps) @ weight, np.square(steps) @ weight
    fitted = np.divide(product, square, out=scale.copy(), where=square > 0)
    return np.maximum(fitted, MIN_SCALE)


def round_to_bits(values: FloatArray, scales: FloatArray, bits: int) -> FloatArray:
    """The steps of `bits` bits nearest to `values`, in rows of one scale each."""
    return np.asarray(round_to_step(values, scales[:, None], *STEPS[bits]), np.float32)


def pack_steps(values: npt.NDArray[np.int8], bits: int) -> npt.NDArray[np.uint8]:
    """Several values in each byte, the first one in its lowest bits."""
    parts = values.reshape(-1, PER_BYTE[bits]).view(np.uint8) & (2**bits - 1)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return np.asarray(np.bitwise_or.reduce(parts << shifts, axis=1), np.uint8)


def unpack_steps(packed: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.int8]:
    """The values, in one row, that `pack_steps` packed."""
    shifts: Any = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (packed[:, None] >> shifts) & (2**bits - 1)
    sign = 1 << (bits - 1)
    return np.asarray((parts.reshape(-1).astype(np.int16) ^ sign) - sign, np.int8)
