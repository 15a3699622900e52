"""Scale migration: moving per-channel factors between neighbours so that one scale fits all.

Requires: the float weights and the peaks of each channel over the calibration set.
Ensures: the same float result, in which a tensor with one scale no longer wastes its range on a
few outlier channels. The idea is that of SmoothQuant (Xiao et al. 2023, arXiv:2211.10438), taken
further: the residual stream is migrated too, which LayerNorm allows because what follows it can
undo any factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.records.checkpoint import FloatArray

LEVELS = 127  # of a signed 8-bit constant
MAX_RATIO = 40.0  # so that a typical factor keeps at least three levels
MAX_GAIN = 2.0  # quiet channels are not blown up further than this


@dataclass(frozen=True)
class Factors:
    """A constant vector that an integer multiplies with, exact in 8 bits, and what it achieves.

    `vector` is the multiplier [channels]; `result` is the migration of the product: the factor
    by which each of its channels differs from the unmigrated float value.
    """

    vector: FloatArray
    result: FloatArray


def equalize_peaks(peaks: FloatArray, power: float = 1.0) -> FloatArray:
    """The factor per channel that makes all peaks alike (`power` 1); 1 for a typical channel."""
    typical = float(np.median(peaks)) or 1.0
    ratio = typical / np.maximum(peaks, typical / MAX_GAIN)
    return np.asarray(ratio**power, np.float32)


def balance_peaks(left: FloatArray, right: FloatArray) -> FloatArray:
    """The factor per channel for `left` (its inverse goes to `right`) that gives both one peak."""
    ratio = np.sqrt(np.maximum(right, 1e-6) / np.maximum(left, 1e-6))
    return np.asarray(np.clip(ratio / np.median(ratio), 1 / 16, 16), np.float32)


def smooth_channels(peaks: FloatArray, kernel: FloatArray, alpha: float = 0.5) -> FloatArray:
    """SmoothQuant's factor for the input channels of `kernel` [in, out]."""
    strength = np.abs(kernel).max(axis=1)
    factor = np.maximum(strength, 1e-6) ** (1 - alpha) / np.maximum(peaks, 1e-6) ** alpha
    return np.asarray(factor / np.median(factor), np.float32)


def exact_factors(gamma: FloatArray, before: FloatArray, wanted: FloatArray) -> Factors:
    """The multiplier that takes a normalised stream of migration `before` to gamma times `wanted`.

    The multiplier is rounded to 8 bits here, and the migration that results is redefined so that
    rounding costs nothing: whatever comes after divides by `result`, not by `wanted`.
    """
    ideal = gamma * wanted / before
    size = np.abs(ideal)
    typical = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
    top = min(float(size.max()), MAX_RATIO * typical) or 1.0
    steps = np.clip(np.round(size / top * LEVELS), 1, LEVELS)
    vector = np.where(size > 0, np.sign(ideal) * steps * top / LEVELS, 0.0)
    live = np.abs(gamma) > 1e-9
    result = np.where(live, vector * before / np.where(live, gamma, 1.0), wanted)
    return Factors(np.asarray(vector, np.float32), np.asarray(result, np.float32))
