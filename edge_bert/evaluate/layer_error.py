"""The error of single tensors: signal-to-quantization-noise ratio, cosine, ranges, channels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.records.explanation import WorstChannel

Array = npt.NDArray[Any]
Range = tuple[float, float]


@dataclass
class ErrorSums:
    """Running sums over pairs of a float tensor and the same tensor dequantized.

    The tensors may differ in length from pair to pair; with `by_channel` their last axis must
    always be the channels. `noise` is the power of the whole error, `own_noise` that of rounding
    the float values to this tensor's own integers.
    """

    scale: float
    zero_point: int
    bits: int
    by_channel: bool
    low: float = math.inf
    high: float = -math.inf
    count: int = 0
    clipped_count: int = 0
    signal: float = 0.0
    actual_signal: float = 0.0
    product: float = 0.0
    noise: float = 0.0
    own_noise: float = 0.0
    channel_noise: Array = field(default_factory=lambda: np.zeros(0))
    channel_peak: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def range(self) -> Range:
        """The lowest and the highest value of the integers."""
        lowest, highest = -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        return self.scale * (lowest - self.zero_point), self.scale * (highest - self.zero_point)

    def update(self, expected: Array, actual: Array) -> None:
        """Add a pair of equal shape. Raises ValueError for different shapes."""
        if expected.shape != actual.shape:
            raise ValueError(f"shapes {expected.shape} and {actual.shape} differ")
        expected, actual = expected.astype(np.float64), actual.astype(np.float64)
        self.low = min(self.low, float(expected.min()))
        self.high = max(self.high, float(expected.max()))
        lowest, highest = self.range
        outside = (expected < lowest - self.scale / 2) | (expected > highest + self.scale / 2)
        stored = np.clip(np.round(expected / self.scale) * self.scale, lowest, highest)
        error = np.square(expected - actual)
        self.count += expected.size
        self.clipped_count += int(outside.sum())
        self.signal += float(np.square(expected).sum())
        self.actual_signal += float(np.square(actual).sum())
        self.product += float((expected * actual).sum())
        self.noise += float(error.sum())
        self.own_noise += float(np.square(expected - stored).sum())
        if self.by_channel:
            self._update_channels(expected, error)

    def _update_channels(self, expected: Array, error: Array) -> None:
        width = expected.shape[-1]
        if not len(self.channel_noise):
            self.channel_noise, self.channel_peak = np.zeros(width), np.zeros(width)
        self.channel_noise += error.reshape(-1, width).sum(axis=0)
        peaks = np.abs(expected).reshape(-1, width).max(axis=0)
        self.channel_peak = np.maximum(self.channel_peak, peaks)

    @property
    def clipped(self) -> float:
        """The share of the float values outside the range of the integers."""
        return self.clipped_count / self.count if self.count else 0.0

    @property
    def cosine(self) -> float:
        """Cosine between the two tensors, all sentences as one vector; 1 where both are zero."""
        if self.signal == 0 or self.actual_signal == 0:
            return 1.0 if self.signal == self.actual_signal else 0.0
        return self.product / math.sqrt(self.signal * self.actual_signal)

    def worst_channels(self, count: int) -> tuple[WorstChannel, ...]:
        """The `count` channels with the largest errors, the worst first; none without an error."""
        order = np.argsort(-self.channel_noise, kind="stable")[:count]
        return tuple(
            WorstChannel(
                channel=int(index),
                error_share=round(float(self.channel_noise[index]) / self.noise, 4),
                peak=float(f"{self.channel_peak[index]:.5g}"),
            )
            for index in order
            if self.channel_noise[index] > 0
        )


def to_decibels(signal: float, noise: float) -> float | None:
    """The ratio of two powers in dB; None where one of them is zero."""
    if signal <= 0 or noise <= 0:
        return None
    return 10.0 * math.log10(signal / noise)
