"""A running histogram in bounded memory, whose range grows as values arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError

Array = npt.NDArray[Any]
BINS = 2048
SAMPLES = 4096  # of one tensor of one sentence; the extremes are always kept exactly


@dataclass
class Histogram:
    """Counts over [-reach, reach] in equal bins; `low` and `high` are the exact extremes."""

    reach: float = 0.0
    counts: Array = field(default_factory=lambda: np.zeros(BINS, np.float64))
    low: float = np.inf
    high: float = -np.inf

    def update(self, values: Array) -> tuple[float, float]:
        """Take values of any shape into account; gives their extremes.

        Large tensors are sampled evenly for the counts.
        """
        flat = values.reshape(-1)
        low, high = float(flat.min()), float(flat.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ModelError("The model gives values that are not numbers; check its weights.")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._grow(max(-low, high))
        stride = max(1, len(flat) // SAMPLES)
        bins = (flat[::stride] + self.reach) * (BINS / (2 * self.reach))
        indices = np.clip(bins.astype(np.int64), 0, BINS - 1)
        self.counts += np.bincount(indices, minlength=BINS) * stride
        return low, high

    def centers(self) -> Array:
        """The value in the middle of each bin."""
        width = 2 * self.reach / BINS
        return np.asarray((np.arange(BINS) + 0.5) * width - self.reach)

    def _grow(self, peak: float) -> None:
        """Double the reach until it holds `peak`; two bins become one at each doubling."""
        if not self.reach:
            self.reach = max(peak, 1e-6)
        while self.reach < peak:
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.pad(merged, BINS // 4)
            self.reach *= 2
