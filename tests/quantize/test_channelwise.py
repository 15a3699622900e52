"""Integers of two and four bits with a scale per channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.quantize import channelwise, gptq
from edge_bert.records.weight_bits import STEPS

RANDOM = np.random.RandomState(5)
INPUTS, OUTPUTS, ROWS = 64, 24, 400
# Inputs that go together: 8 sources behind 64 channels, and some noise of their own.
SOURCES = RANDOM.standard_normal((ROWS, 8)) @ RANDOM.standard_normal((8, INPUTS))
X = (SOURCES + 0.1 * RANDOM.standard_normal((ROWS, INPUTS))).astype(np.float32)
MATRIX = (
    RANDOM.standard_normal((OUTPUTS, INPUTS)) * np.geomspace(0.01, 10, OUTPUTS)[:, None]
).astype(np.float32)


def real(found: channelwise.Channels) -> npt.NDArray[np.float32]:
    values, scales = found
    return np.asarray(values * scales[:, None], np.float32)


def output_error(found: channelwise.Channels) -> npt.NDArray[np.float32]:
    """The squared error of each output over X, as a share of the output's own square."""
    exact = X @ MATRIX.T
    wrong = X @ real(found).T - exact
    return np.asarray(np.square(wrong).sum(axis=0) / np.square(exact).sum(axis=0))


@pytest.mark.parametrize("bits", [2, 4])
def test_scales_have_less_error_than_those_of_the_peaks(bits: int) -> None:
    """In every channel, and the steps stay within their width."""
    values, scales = channelwise.quantize_channelwise(MATRIX, bits)
    assert values.min() >= STEPS[bits][0]
    assert values.max() <= STEPS[bits][1]
    peaks = np.abs(MATRIX).max(axis=1) / STEPS[bits][1]
    plain = channelwise.round_to_bits(MATRIX, peaks, bits).astype(np.int8), peaks
    errors = [np.square(real(x) - MATRIX).sum(axis=1) for x in ((values, scales), plain)]
    assert (errors[0] <= errors[1]).all()
    assert errors[0].sum() < 0.8 * errors[1].sum()


@pytest.mark.parametrize("bits", [2, 4])
def test_correlated_inputs_gain(bits: int) -> None:
    """GPTQ leaves less than half of the error of the nearest steps."""
    moments = (X.T @ X).astype(np.float64)
    found = gptq.quantize_gptq_channels(MATRIX, moments, bits)
    nearest = channelwise.quantize_channelwise(MATRIX, bits)
    assert output_error(found).mean() < 0.5 * output_error(nearest).mean()
    assert set(np.unique(found[0])) <= set(range(STEPS[bits][0], STEPS[bits][1] + 1))


def test_a_matrix_on_a_grid_stays_as_it_is() -> None:
    """Steps of a scale come back, with GPTQ too."""
    steps = RANDOM.randint(-8, 8, (OUTPUTS, INPUTS)).astype(np.int8)
    steps[:, 0] = -8
    scales = np.geomspace(0.001, 3, OUTPUTS).astype(np.float32)
    found = channelwise.quantize_channelwise(real((steps, scales)), 4)
    np.testing.assert_array_equal(found[0], steps)
    np.testing.assert_allclose(found[1], scales, rtol=1e-5)


@pytest.mark.parametrize("bits", [2, 4])
def test_rows_and_inputs_of_zeros(bits: int) -> None:
    """Nothing becomes NaN, infinite or too small for the runtime."""
    matrix = MATRIX.copy()
    matrix[3], matrix[4] = 0, 1e-42
    for moments in (np.zeros((INPUTS, INPUTS)), np.diag([0.0] * 32 + [1.0] * 32)):
        values, scales = gptq.quantize_gptq_channels(matrix, moments, bits)
        assert (values[3] == 0).all()
        assert np.isfinite(scales).all()
        assert (scales >= channelwise.MIN_SCALE).all()


@pytest.mark.parametrize("bits", [2, 4])
def test_packed_steps_come_back(bits: int) -> None:
    """The first value is in the lowest bits of the first byte."""
    values = RANDOM.randint(STEPS[bits][0], STEPS[bits][1] + 1, 64).astype(np.int8)
    packed = channelwise.pack_steps(values, bits)
    assert packed.nbytes == 64 * bits // 8
    assert packed[0] & (2**bits - 1) == values[0] & (2**bits - 1)
    np.testing.assert_array_equal(channelwise.unpack_steps(packed, bits), values)


def test_moments_of_another_matrix_are_refused() -> None:
    """The error has both sizes."""
    with pytest.raises(ValueError, match=r"Hessian \(3, 3\) of a matrix with 64 inputs"):
        gptq.quantize_gptq_channels(MATRIX, np.eye(3), 2)
