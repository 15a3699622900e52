"""Smoothing: per-channel factors moved between neighbors so that one scale fits all channels.

Requires: the float weights and the peaks of each channel over the calibration set.
Ensures: the same float result, in which a tensor with one scale no longer wastes its range on a
few outlier channels. The idea is that of SmoothQuant (Xiao et al. 2023, arXiv:2211.10438), taken
further: the residual stream gets channel scales too, which LayerNorm allows because its output is
multiplied per channel anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.records.checkpoint import FloatArray

LEVELS = 127  # of a signed 8-bit constant
MAX_RATIO = 40.0  # so that a typical factor keeps at least three levels
MAX_GAIN = 2.0  # quiet channels are not blown up further than this


@dataclass(frozen=True)
class RoundedFactors:
    """A constant vector that an integer multiplies with, exact in 8 bits, and its effect.

    `factors` is the multiplier [channels]; `scale` is the channel scale of the product: the ratio
    of each of its channels to the float value before smoothing.
    """

    factors: FloatArray
    scale: FloatArray


def equalize_peaks(peaks: FloatArray, power: float = 1.0) -> FloatArray:
    """The factor per channel that makes all peaks equal (`power` 1); 1 for a typical channel."""
    typical = float(np.median(peaks)) or 1.0
    ratio = typical / np.maximum(peaks, typical / MAX_GAIN)
    return np.asarray(ratio**power, np.float32)


def balance_peaks(left: FloatArray, right: FloatArray) -> FloatArray:
    """The factor per channel for `left` (its inverse goes to `right`) that gives both one peak."""
    ratio = np.sqrt(np.maximum(right, 1e-6) / np.maximum(left, 1e-6))
    return np.asarray(np.clip(ratio / np.median(ratio), 1 / 16, 16), np.float32)


def smooth_channels(peaks: FloatArray, kernel: FloatArray, alpha: float = 0.5) -> FloatArray:
    """SmoothQuant's factor for the input channels of `kernel` [in, out].

    max|weights| ** (1 - alpha) / max|activations| ** alpha, over its median.
    """
    weight_peaks = np.abs(kernel).max(axis=1)
    factor = np.maximum(weight_peaks, 1e-6) ** (1 - alpha) / np.maximum(peaks, 1e-6) ** alpha
    return np.asarray(factor / np.median(factor), np.float32)


def round_factors(gamma: FloatArray, scale: FloatArray, target: FloatArray) -> RoundedFactors:
    """The multiplier from a normalized stream in channel scale `scale` to gamma times `target`.

    Ideally gamma * target / scale. It is rounded to 8 bits here, and the channel scale that
    results, factors * scale / gamma, replaces `target`: whatever comes after divides by that, so
    that rounding costs nothing.
    """
    ideal = gamma * target / scale
    sizes = np.abs(ideal)
    typical = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
    largest = min(float(sizes.max()), MAX_RATIO * typical) or 1.0
    steps = np.clip(np.round(sizes / largest * LEVELS), 1, LEVELS)
    factors = np.where(sizes > 0, np.sign(ideal) * steps * largest / LEVELS, 0.0)
    live = np.abs(gamma) > 1e-9
    result = np.where(live, factors * scale / np.where(live, gamma, 1.0), target)
    return RoundedFactors(np.asarray(factors, np.float32), np.asarray(result, np.float32))
