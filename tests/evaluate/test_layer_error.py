"""Errors of single tensors against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.evaluate.layer_error import ErrorSums, to_decibels


def sums(
    scale: float = 1.0, zero_point: int = 0, bits: int = 8, by_channel: bool = True
) -> ErrorSums:
    """Empty sums for a tensor with these parameters."""
    return ErrorSums(scale, zero_point, bits, by_channel)


def test_ratio_of_rounding_noise_is_that_of_theory() -> None:
    """A uniform signal over the whole range has 6.02 dB for each bit."""
    for bits in (8, 16):
        scale = 2.0 / 2**bits
        error_sums = sums(scale, bits=bits, by_channel=False)
        signal = np.linspace(-1, 1 - scale, 1_000_003)
        error_sums.update(signal, np.zeros_like(signal))
        assert to_decibels(error_sums.signal, error_sums.own_noise) == pytest.approx(
            6.02 * bits, abs=0.1
        )
        assert error_sums.cosine == 0.0


def test_sums_run_over_tensors_of_different_lengths() -> None:
    """Two tensors give what both together would."""
    random = np.random.RandomState(1)
    right, noise = random.normal(size=(9, 4)), random.normal(size=(9, 4)) / 10
    joint, split = sums(0.01), sums(0.01)
    joint.update(right, right + noise)
    split.update(right[:2], (right + noise)[:2])
    split.update(right[2:], (right + noise)[2:])
    assert split.noise == pytest.approx(joint.noise)
    assert split.noise == pytest.approx(float(np.square(noise).sum()))
    assert split.cosine == pytest.approx(joint.cosine)
    assert (split.low, split.high) == (right.min(), right.max())
    assert split.worst_channels(2) == joint.worst_channels(2)


def test_clipping_is_counted_beyond_half_a_step() -> None:
    """A zero point of -128 holds 0 to 255 steps; what rounds to an end is not clipped."""
    error_sums = sums(0.5, zero_point=-128)
    assert error_sums.range == (0.0, 127.5)
    error_sums.update(np.array([[-0.2, 127.7, -0.3, 130.0]]), np.array([[0.0, 127.5, 0.0, 127.5]]))
    assert error_sums.clipped == 0.5
    assert error_sums.own_noise == pytest.approx(0.04 + 0.04 + 0.09 + 6.25)


def test_the_worst_channel_is_named() -> None:
    """The channel with the largest error comes first, silent ones not at all."""
    right = np.array([[1.0, -8.0, 2.0], [1.0, 4.0, 2.0]])
    error_sums = sums()
    error_sums.update(right, right + np.array([[0.0, 3.0, 0.0], [0.0, 0.0, 1.0]]))
    first, second = error_sums.worst_channels(5)
    assert (first.channel, first.error_share, first.peak) == (1, 0.9, 8.0)
    assert (second.channel, second.error_share, second.peak) == (2, 0.1, 2.0)


def test_silence_has_no_ratio() -> None:
    """All-zero tensors: no decibels, cosine 1, no channels; noise where silence should be: 0."""
    error_sums = sums()
    error_sums.update(np.zeros((2, 3)), np.zeros((2, 3)))
    assert to_decibels(error_sums.signal, error_sums.noise) is None
    assert (error_sums.cosine, error_sums.clipped, error_sums.worst_channels(3)) == (1.0, 0.0, ())
    error_sums.update(np.zeros((2, 3)), np.ones((2, 3)))
    assert (to_decibels(error_sums.signal, error_sums.noise), error_sums.cosine) == (None, 0.0)
    assert sums().clipped == 0.0


def test_other_shapes_are_refused() -> None:
    """No broadcasting: padding that was not cut off is a fault."""
    with pytest.raises(ValueError, match="differ"):
        sums().update(np.zeros((2, 3)), np.zeros((1, 3)))
