"""Smoothing: factors that bring channels together and can be undone exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.quantize.integer.equalize.smoothing import (
    LEVELS,
    MAX_GAIN,
    balance_peaks,
    equalize_peaks,
    round_factors,
    smooth_channels,
)

FloatArray = npt.NDArray[np.float32]


def channels(low: float, high: float, size: int = 12) -> st.SearchStrategy[FloatArray]:
    """Float32 vectors of `size` channels between `low` and `high`."""
    number = st.floats(low, high, width=32, allow_subnormal=False)
    return st.lists(number, min_size=size, max_size=size).map(lambda v: np.array(v, np.float32))


PEAKS = channels(0, 2.0**16)
GAMMA = channels(-8, 8)
FACTORS = channels(2.0**-10, 2.0**10)


@given(PEAKS)
def test_equalized_peaks_are_no_larger_than_the_typical_one(peaks: FloatArray) -> None:
    """Loud channels come down to the median, quiet ones are raised by MAX_GAIN at most."""
    factor = equalize_peaks(peaks)
    typical = float(np.median(peaks)) or 1.0
    assert np.isfinite(factor).all()
    assert (factor > 0).all()
    assert (factor <= MAX_GAIN * 1.001).all()
    assert (peaks * factor <= typical * 1.001).all()


def test_a_quarter_of_the_way() -> None:
    """With power 0.5 only the square root of the distance is taken."""
    peaks = np.array([1, 1, 1, 16], np.float32)
    np.testing.assert_allclose(equalize_peaks(peaks, 0.5), [1, 1, 1, 0.25])


@given(PEAKS, PEAKS)
def test_balance_is_the_inverse_of_its_mirror(left: FloatArray, right: FloatArray) -> None:
    """Factors are positive and finite; for peaks that are no zeros, both sides end up alike."""
    factor = balance_peaks(left, right)
    assert np.isfinite(factor).all()
    assert (factor > 0).all()


def test_balance_gives_both_sides_one_peak() -> None:
    """left x factor has the shape of right / factor, up to one number for all channels."""
    left, right = np.array([1, 4, 2, 9], np.float32), np.array([4, 1, 2, 9], np.float32)
    factor = balance_peaks(left, right)
    ratio = (left * factor) / (right / factor)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


@given(PEAKS)
def test_smoothing_survives_channels_that_nothing_reads(peaks: FloatArray) -> None:
    """A row of zero weights or a silent channel gives a finite positive factor."""
    kernel = np.zeros((12, 3), np.float32)
    kernel[:7] = np.linspace(-2, 2, 21).reshape(7, 3)
    factor = smooth_channels(peaks, kernel)
    assert np.isfinite(factor).all()
    assert (factor > 0).all()


def test_smoothing_is_smoothquants() -> None:
    """At alpha 0.5: sqrt(weight / activation) per input channel, up to one number for all."""
    peaks = np.array([1, 100, 4], np.float32)
    kernel = np.array([[1, -2], [1, 1], [9, 3]], np.float32)
    wanted = np.sqrt(np.array([2, 1, 9]) / peaks)
    np.testing.assert_allclose(
        smooth_channels(peaks, kernel), wanted / np.median(wanted), rtol=1e-5
    )


@given(GAMMA, FACTORS, FACTORS)
def test_factors_are_exact_in_eight_bits(
    gamma: FloatArray, scale: FloatArray, target: FloatArray
) -> None:
    """Quantized with one scale they do not change at all."""
    factors = round_factors(gamma, scale, target).factors.astype(np.float64)
    step = max(np.abs(factors).max(), 1e-30) / LEVELS
    steps = np.round(factors / step)
    assert np.abs(steps).max() <= LEVELS
    np.testing.assert_allclose(steps * step, factors, rtol=1e-5, atol=1e-30)


@given(GAMMA, FACTORS, FACTORS)
def test_what_follows_can_undo_the_factors(
    gamma: FloatArray, scale: FloatArray, target: FloatArray
) -> None:
    """factors x (scale x s) is the new scale x (gamma x s): rounding goes into the new scale."""
    found = round_factors(gamma, scale, target)
    live = np.abs(gamma) > 1e-9
    np.testing.assert_allclose(
        (found.factors * scale)[live], (found.scale * gamma)[live], rtol=1e-4
    )
    assert np.isfinite(found.scale).all()
    assert (found.scale[live] != 0).all()


def test_a_dead_channel_stays_dead() -> None:
    """Where gamma is 0 the multiplier is 0, and nothing is divided by it."""
    gamma = np.array([0, 1, -2], np.float32)
    one = np.ones(3, np.float32)
    found = round_factors(gamma, one, one)
    assert found.factors[0] == 0
    assert found.scale[0] == 1
    silent = round_factors(np.zeros(3, np.float32), one, one)
    assert not silent.factors.any()
