"""GPTQ: rounding that makes up for its errors where inputs go together."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.quantize import blockwise, gptq

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
