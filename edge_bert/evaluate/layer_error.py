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
    """Running sums over pairs of a tensor in float and the same tensor dequantized.

    Tensors of different lengths may follow each other; with `by_channel` their last axis must
    always be the channels.
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
    found_signal: float = 0.0
    product: float = 0.0
    noise: float = 0.0
    own_noise: float = 0.0
    channel_noise: Array = field(default_factory=lambda: np.zeros(0))
    channel_peak: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def range(self) -> Range:
        """What the integers can hold."""
        least, most = -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        return self.scale * (least - self.zero_point), self.scale * (most - self.zero_point)

    def see(self, expected: Array, found: Array) -> None:
        """Take a pair of equal shape into account. Raises ValueError for different shapes."""
        if expected.shape != found.shape:
            raise ValueError(f"shapes {expected.shape} and {found.shape} differ")
        right, real = expected.astype(np.float64), found.astype(np.float64)
        self.low = min(self.low, float(right.min()))
        self.high = max(self.high, float(right.max()))
        least, most = self.range
        outside = (right < least - self.scale / 2) | (right > most + self.scale / 2)
        stored = np.clip(np.round(right / self.scale) * self.scale, least, most)
        error = np.square(right - real)
        self.count += right.size
        self.clipped_count += int(outside.sum())
        self.signal += float(np.square(right).sum())
        self.found_signal += float(np.square(real).sum())
        self.product += float((right * real).sum())
        self.noise += float(error.sum())
        self.own_noise += float(np.square(right - stored).sum())
        if self.by_channel:
            self._see_channels(right, error)

    def _see_channels(self, right: Array, error: Array) -> None:
        width = right.shape[-1]
        if not len(self.channel_noise):
            self.channel_noise, self.channel_peak = np.zeros(width), np.zeros(width)
        self.channel_noise += error.reshape(-1, width).sum(axis=0)
        peaks = np.abs(right).reshape(-1, width).max(axis=0)
        self.channel_peak = np.maximum(self.channel_peak, peaks)

    @property
    def clipped(self) -> float:
        """Share of the float values that the integers cannot hold."""
        return self.clipped_count / self.count if self.count else 0.0

    @property
    def cosine(self) -> float:
        """Cosine between the two tensors, all sentences as one vector; 1 where both are zero."""
        if self.signal == 0 or self.found_signal == 0:
            return 1.0 if self.signal == self.found_signal else 0.0
        return self.product / math.sqrt(self.signal * self.found_signal)

    def worst_channels(self, count: int) -> tuple[WorstChannel, ...]:
        """The channels with the largest errors, the worst first; those without error left out."""
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
    """The ratio of two powers in dB; None where one of them is zero, so that there is none."""
    if signal <= 0 or noise <= 0:
        return None
    return 10.0 * math.log10(signal / noise)
