"""GPTQ: rounding that makes up for its errors where inputs go together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.quantize import blockwise, gptq
from edge_bert.quantize.uniform import quantize_int8

RANDOM = np.random.RandomState(11)
INPUTS, OUTPUTS, ROWS = 64, 24, 400
# Inputs that go together: 8 sources behind 64 channels, and some noise of their own.
SOURCES = RANDOM.standard_normal((ROWS, 8)) @ RANDOM.standard_normal((8, INPUTS))
X = (SOURCES + 0.1 * RANDOM.standard_normal((ROWS, INPUTS))).astype(np.float32)
WEIGHT = RANDOM.standard_normal((OUTPUTS, INPUTS)).astype(np.float32)


def error(found: blockwise.Blocks) -> float:
    """The squared error of the matrix's output over X."""
    return float(np.square(X @ (blockwise.dequantize_blockwise(*found) - WEIGHT).T).sum())


@pytest.mark.parametrize("block", [32, 64])
def test_correlated_inputs_gain(block: int) -> None:
    """The output's error falls to less than half of what rounding to the nearest step leaves."""
    moments = (X.T @ X).astype(np.float64)
    found = gptq.quantize_gptq(WEIGHT, moments, block)
    assert error(found) < 0.5 * error(blockwise.quantize_blockwise(WEIGHT, block))


def test_inputs_that_do_not_go_together_are_rounded_to_the_nearest() -> None:
    """With nothing to make up with, it is plain rounding."""
    found = gptq.quantize_gptq(WEIGHT, np.eye(INPUTS), 32)
    values, scales = blockwise.quantize_blockwise(WEIGHT, 32)
    assert np.array_equal(found[0], values)
    assert np.array_equal(found[1], scales)


@pytest.mark.parametrize("silent", [slice(0, 5), slice(0, INPUTS)])
def test_inputs_that_are_always_zero(silent: slice) -> None:
    """Moments of zero, of some channels or all, break nothing."""
    quiet = X.copy()
    quiet[:, silent] = 0
    values, scales = gptq.quantize_gptq(WEIGHT, (quiet.T @ quiet).astype(np.float64), 32)
    assert np.isfinite(scales).all()
    assert np.abs(values).max() <= 8


def test_moments_of_another_matrix_are_refused() -> None:
    """The error has both sizes."""
    with pytest.raises(ValueError, match=r"Hessian \(3, 3\) of a matrix with 64 inputs"):
        gptq.quantize_gptq(WEIGHT, np.eye(3), 32)


def test_int8_steps_undo_each_others_error() -> None:
    """On correlated rows the output's error halves; scales are those of the largest weights."""
    matrix = WEIGHT.copy()
    matrix[5] = 0.0
    values, scales = gptq.quantize_gptq_int8(matrix, (X.T @ X).astype(np.float64))
    nearest, nearest_scales = quantize_int8(matrix, axis=0)
    live = np.arange(OUTPUTS) != 5
    np.testing.assert_allclose(scales[live], nearest_scales[live], rtol=1e-6)
    assert scales[5] == scales[live].max()
    assert not values[5].any()

    def step_error(steps: npt.NDArray[np.int8]) -> float:
        return float(np.square(X @ (matrix - steps * scales[:, None]).T).sum())

    assert step_error(values) < 0.5 * step_error(nearest)
