"""Symmetric int8: a scale per row or column, zero point 0, from -127 to 127."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LIMIT = 127


def symmetric_int8(
    matrix: npt.NDArray[np.float32], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """`matrix` [rows, columns] as int8 and its scales along `axis` (0: per row, 1: per column).

    A row or column of zeros gets the scale 1.
    """
    largest = np.abs(matrix).max(axis=1 - axis)
    scales = np.where(largest > 0, largest / LIMIT, 1.0).astype(np.float32)
    steps = matrix / np.expand_dims(scales, 1 - axis)
    return np.clip(np.rint(steps), -LIMIT, LIMIT).astype(np.int8), scales
