"""Weighted first and second moments of activations, gathered batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray

Double = npt.NDArray[np.float64]


@dataclass
class RunningMoments:
    """Sums over tokens of rows x [channels] with a weight each.

    `second` is the sum of w x x' [channels, channels], `first` that of w x, `total` that of w.
    Memory does not grow with the number of tokens.
    """

    first: Double
    second: Double
    total: float = 0.0

    @classmethod
    def of(cls, channels: int) -> RunningMoments:
        """Sums over no tokens."""
        return cls(np.zeros(channels), np.zeros((channels, channels)))

    def update(self, rows: FloatArray, weights: FloatArray) -> None:
        """Add rows [n, channels] with weights [n]."""
        weighted = rows * weights[:, None]
        self.second += rows.T @ weighted
        self.first += weighted.sum(axis=0, dtype=np.float64)
        self.total += float(weights.sum(dtype=np.float64))

    @property
    def mean(self) -> Double:
        """The weighted mean, [channels]."""
        return self.first / self.total

    def covariance(self, damping: float) -> Double:
        """The weighted covariance, its diagonal raised by `damping` times the mean variance."""
        matrix = self.second / self.total - np.outer(self.mean, self.mean)
        rise = damping * float(np.trace(matrix)) / len(matrix) + 1e-12
        matrix[np.diag_indices_from(matrix)] += rise
        return matrix
