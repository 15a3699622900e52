"""The columns of the residual stream: one for every channel, and two more for each split channel.

A few channels are a hundred times larger at one token of a sentence than at any other, because a
few neurons write a burst into them. A scale that holds the burst leaves the other tokens no steps.
Such a channel is split into three columns, all of them linear in what is written: the rest, which
takes what everything but those neurons writes; the burst, which takes what they write; and the
whole, which takes both. Matrices read the rest and the burst, the variance needs the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class SplitLayout:
    """`hidden` channels, of which those in `split` have a burst and a whole at the end."""

    hidden: int
    split: tuple[int, ...] = ()

    @property
    def channels(self) -> npt.NDArray[np.intp]:
        """The channel of each column."""
        return np.array([*range(self.hidden), *self.split, *self.split], np.intp)

    @property
    def bursts(self) -> slice:
        """Where the bursts are."""
        return slice(self.hidden, self.hidden + len(self.split))

    @property
    def wholes(self) -> slice:
        """Where the wholes are."""
        return slice(self.hidden + len(self.split), self.hidden + 2 * len(self.split))

    def copied(self, rows: npt.NDArray[Any]) -> FloatArray:
        """[..., hidden] to [..., columns] with all of a channel in each of its columns."""
        return np.asarray(rows[..., self.channels], np.float32)

    def without_bursts(self, rows: npt.NDArray[Any]) -> FloatArray:
        """[..., hidden] to [..., columns] of what no burst is in."""
        found = self.copied(rows)
        found[..., self.bursts] = 0.0
        return found

    def with_bursts(self, rows: npt.NDArray[Any], bursts: npt.NDArray[Any]) -> FloatArray:
        """[..., hidden], and what of it is burst [..., split], to [..., columns]."""
        found = self.copied(rows)
        found[..., list(self.split)] -= bursts
        found[..., self.bursts] = bursts
        return found

    def read(self, kernel: FloatArray) -> FloatArray:
        """A kernel [hidden, out] as one that reads columns: [columns, out]."""
        found = np.asarray(kernel[self.channels], np.float32)
        found[self.wholes] = 0.0
        return found

    @property
    def in_mean(self) -> FloatArray:
        """What each column weighs in the mean of the channels."""
        found = np.full(len(self.channels), 1.0 / self.hidden, np.float32)
        found[self.wholes] = 0.0
        return found

    @property
    def in_variance(self) -> FloatArray:
        """What the square of each column weighs in the variance."""
        found = np.full(len(self.channels), 1.0 / self.hidden, np.float32)
        found[list(self.split)] = 0.0
        found[self.bursts] = 0.0
        return found

    @property
    def takes_mean(self) -> FloatArray:
        """1 where the mean is taken off, 0 for bursts."""
        found = np.ones(len(self.channels), np.float32)
        found[self.bursts] = 0.0
        return found


@dataclass(frozen=True)
class OutlierSplit:
    """The split channels, and what writes their bursts.

    `neurons` holds, per layer, bool [split, ffn]; `usual`, per layer, what those neurons write at
    a usual token [split], which the rest takes so that a usual burst is 0.
    """

    columns: SplitLayout
    neurons: tuple[npt.NDArray[np.bool_], ...]
    usual: tuple[FloatArray, ...]

    def kernel(self, layer: int, kernel: FloatArray) -> FloatArray:
        """Of a layer's kernel [ffn, hidden], what writes bursts: [ffn, split]."""
        own = kernel[:, list(self.columns.split)]
        return np.asarray(np.where(self.neurons[layer].T, own, 0.0), np.float32)

    def written(self, layer: int, inner: FloatArray, kernel: FloatArray) -> FloatArray:
        """The bursts [n, split] of the rows [n, ffn] of a layer's neurons."""
        return np.asarray(inner @ self.kernel(layer, kernel) - self.usual[layer], np.float32)


def nothing_split(hidden: int, ffn: tuple[int, ...]) -> OutlierSplit:
    """Every channel in one column."""
    return OutlierSplit(
        SplitLayout(hidden),
        tuple(np.zeros((0, size), np.bool_) for size in ffn),
        tuple(np.zeros(0, np.float32) for _ in ffn),
    )
