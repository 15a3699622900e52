"""GPTQ (Frantar et al. 2022, arXiv:2210.17323): rounding that compensates for its own errors.

The columns of a matrix are rounded one after the other. The columns still to be rounded are changed
so that they undo the error in the output, as far as the inputs are correlated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.blockwise import (
    Blocks,
    FloatArray,
    keep_blocks,
    least_error_scales,
    round_int4,
)

DAMPING = 0.01  # share of the Hessian's mean diagonal that is added to it: the paper's value
Hessian = npt.NDArray[np.float64]


def quantize_gptq(matrix: FloatArray, hessian: Hessian, block: int) -> Blocks:
    """`matrix` [outputs, inputs] in int4 blocks, as `quantize_blockwise` gives them.

    `hessian` [inputs, inputs] is the sum of x xT over the rows x that the matrix is multiplied by.
    A matrix that lies on such a grid keeps its integers. Raises ValueError where `hessian` has
    another size.
    """
    outputs, inputs = matrix.shape
    if hessian.shape != (inputs, inputs):
        raise ValueError(f"Hessian {hessian.shape} of a matrix with {inputs} inputs")
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
        scale = scales[:, number, None].astype(np.float32)
        pivots = upper[columns, columns]
        values[:, columns], errors = _round_block(weights[:, columns], scale, pivots)
        weights[:, columns.stop :] -= errors @ upper[columns, columns.stop :]
    return values, scales


def _round_block(
    weights: FloatArray, scale: FloatArray, upper: FloatArray
) -> tuple[Any, FloatArray]:
    """The steps of a block's columns and their errors, each divided by its pivot."""
    weights = weights.copy()
    steps, errors = np.empty_like(weights), np.empty_like(weights)
    for column in range(weights.shape[1]):
        steps[:, column] = round_int4(weights[:, column], scale[:, 0])
        error = (weights[:, column] - steps[:, column] * scale[:, 0]) / upper[column, column]
        weights[:, column + 1 :] -= np.outer(error, upper[column, column + 1 :])
        errors[:, column] = error
    return steps, errors


def _inverse_root(hessian: Hessian) -> FloatArray:
    """The upper triangular U with UT U = the inverse of the damped Hessian."""
    damped = hessian.astype(np.float64).copy()
    diagonal = np.einsum("ii->i", damped)
    mean = diagonal.mean()
    diagonal += DAMPING * mean if mean > 0 else 1.0
    return np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)
