"""Uniform quantization: scales and zero points from ranges, and integers from values.

int8 weights are symmetric: zero point 0, from -127 to 127. Activations of int8 use -128 too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.recover_grid import keep_codes

INT8_MAX, INT16_MAX, INT32_MAX = 2**7 - 1, 2**15 - 1, 2**31 - 1
MIN_RANGE = 1e-8  # of a tensor that is 0 throughout, so that its scale is not 0

FloatArray = npt.NDArray[np.floating[Any]]


def quantize_int8(
    matrix: FloatArray, axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """`matrix` [rows, columns] in int8 and its scales along `axis` (0: per row, 1: per column).

    A matrix that lies on such a grid keeps its integers (recover_grid.py). A row or column of zeros
    gets the scale 1.
    """
    rows = matrix if axis == 0 else matrix.T
    kept = keep_codes(rows, rows.shape[1], -INT8_MAX, INT8_MAX)
    if kept is not None:
        codes, scales = kept[0], kept[1][:, 0]
        return codes if axis == 0 else np.ascontiguousarray(codes.T), np.where(
            scales > 0, scales, 1
        )
    peaks = np.abs(matrix).max(axis=1 - axis)
    scales = np.where(peaks > 0, peaks / INT8_MAX, 1.0).astype(np.float32)
    steps = round_to_step(matrix, np.expand_dims(scales, 1 - axis), -INT8_MAX, INT8_MAX)
    return steps.astype(np.int8), scales


def symmetric_scale(low: float, high: float, largest: int = INT8_MAX) -> float:
    """The scale at which the farther end of [low, high] is the step `largest` or its negative."""
    return max(-low, high, MIN_RANGE) / largest


def asymmetric_params(
    low: float, high: float, least: int = -INT8_MAX - 1, most: int = INT8_MAX
) -> tuple[float, int]:
    """Scale (of float32) and zero point that put [low, high] and 0 on steps from `least` to `most`.

    0 is a step, because padding and GELU give it.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / (most - least), MIN_RANGE)
    zero_point = int(np.clip(round(least - low / scale), least, most))
    return float(np.float32(scale)), zero_point


def round_to_step(
    values: FloatArray, scale: FloatArray | float, least: float, most: float
) -> FloatArray:
    """The integers from `least` to `most` that are nearest to `values` / `scale`."""
    steps = np.asarray(values / scale)
    np.rint(steps, out=steps)
    return np.clip(steps, least, most, out=steps)
