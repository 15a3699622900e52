"""Rounding that makes up for its own errors: GPTQ (Frantar et al. 2022, arXiv:2210.17323).

Columns of a matrix are rounded one after the other, and what a column's rounding changed in the
output is taken back, as far as inputs go together, by the columns that are still to come.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.blockwise import Blocks, FloatArray, least_error_scales, round_int4

DAMPING = 0.01  # of the mean second moment, added to each: the paper's value
Hessian = npt.NDArray[np.float64]


def quantize_gptq(matrix: FloatArray, moments: Hessian, block: int) -> Blocks:
    """`matrix` [outputs, inputs] in int4 blocks, as `blocks.quantize` gives them.

    `moments` [inputs, inputs] are the sums of x xT over the rows x that the matrix is multiplied
    by. Raises ValueError where they have another size.
    """
    outputs, inputs = matrix.shape
    if moments.shape != (inputs, inputs):
        raise ValueError(f"moments {moments.shape} of a matrix with {inputs} inputs")
    upper = _inverse_root(moments)
    left = matrix.astype(np.float32).copy()
    values = np.empty(matrix.shape, np.int8)
    scales = np.empty((outputs, inputs // block), np.float16)
    for number in range(inputs // block):
        here = slice(number * block, (number + 1) * block)
        scales[:, number] = least_error_scales(left[:, here])
        scale = scales[:, number, None].astype(np.float32)
        values[:, here], errors = _round_block(left[:, here], scale, upper[here, here])
        left[:, here.stop :] -= errors @ upper[here, here.stop :]
    return values, scales


def _round_block(left: FloatArray, scale: FloatArray, upper: FloatArray) -> tuple[Any, FloatArray]:
    """The steps of a block's columns and their errors, each over its pivot."""
    left = left.copy()
    steps, errors = np.empty_like(left), np.empty_like(left)
    for column in range(left.shape[1]):
        steps[:, column] = round_int4(left[:, column], scale[:, 0])
        error = (left[:, column] - steps[:, column] * scale[:, 0]) / upper[column, column]
        left[:, column + 1 :] -= np.outer(error, upper[column, column + 1 :])
        errors[:, column] = error
    return steps, errors


def _inverse_root(moments: Hessian) -> FloatArray:
    """The upper triangular U with UT U = the inverse of the damped moments."""
    damped = moments.astype(np.float64).copy()
    diagonal = np.einsum("ii->i", damped)
    mean = diagonal.mean()
    diagonal += DAMPING * mean if mean > 0 else 1.0
    return np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)
