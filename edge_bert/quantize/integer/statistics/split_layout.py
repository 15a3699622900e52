"""The columns of the residual stream: one for every channel, and two more for an outlier channel.

A few channels are a hundred times larger at one token of a sentence than at any other, because a
few neurons write an outlier into them. A scale that holds the outlier leaves the other tokens no
steps. Such a channel is split into three columns, all of them linear in what is written:
- regular: what everything but those neurons writes;
- outlier: what those neurons write, less its typical value;
- total: both.
Matrices and the mean read the regular and the outlier column. The variance reads the total, because
its square is not the sum of the other two squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class SplitLayout:
    """`hidden` channels; those in `outliers` have an outlier and a total column at the end."""

    hidden: int
    outliers: tuple[int, ...] = ()

    @property
    def column_channels(self) -> npt.NDArray[np.intp]:
        """The channel of each column."""
        return np.array([*range(self.hidden), *self.outliers, *self.outliers], np.intp)

    @property
    def outlier_columns(self) -> slice:
        """Where the outlier columns are."""
        return slice(self.hidden, self.hidden + len(self.outliers))

    @property
    def total_columns(self) -> slice:
        """Where the total columns are."""
        return slice(self.hidden + len(self.outliers), self.hidden + 2 * len(self.outliers))

    def expand(self, rows: npt.NDArray[Any]) -> FloatArray:
        """[..., hidden] to [..., columns] with all of a channel in each of its columns."""
        return np.asarray(rows[..., self.column_channels], np.float32)

    def expand_regular(self, rows: npt.NDArray[Any]) -> FloatArray:
        """[..., hidden] without any outlier to [..., columns]."""
        columns = self.expand(rows)
        columns[..., self.outlier_columns] = 0.0
        return columns

    def expand_split(self, rows: npt.NDArray[Any], outliers: npt.NDArray[Any]) -> FloatArray:
        """[..., hidden], and the outliers in it [..., outlier channels], to [..., columns]."""
        columns = self.expand(rows)
        columns[..., list(self.outliers)] -= outliers
        columns[..., self.outlier_columns] = outliers
        return columns

    def expand_kernel(self, kernel: FloatArray) -> FloatArray:
        """A kernel [hidden, out] as one that reads columns: [columns, out]."""
        columns = np.asarray(kernel[self.column_channels], np.float32)
        columns[self.total_columns] = 0.0
        return columns

    @property
    def mean_weights(self) -> FloatArray:
        """The weight of each column in the mean of the channels."""
        weights = np.full(len(self.column_channels), 1.0 / self.hidden, np.float32)
        weights[self.total_columns] = 0.0
        return weights

    @property
    def variance_weights(self) -> FloatArray:
        """The weight of each column's square in the variance."""
        weights = np.full(len(self.column_channels), 1.0 / self.hidden, np.float32)
        weights[list(self.outliers)] = 0.0
        weights[self.outlier_columns] = 0.0
        return weights

    @property
    def centered_columns(self) -> FloatArray:
        """1 where the mean is taken off, 0 for outlier columns."""
        mask = np.ones(len(self.column_channels), np.float32)
        mask[self.outlier_columns] = 0.0
        return mask


@dataclass(frozen=True)
class OutlierSplit:
    """The outlier channels, and the neurons that write their outliers.

    `neurons` holds, per layer, bool [outlier channels, ffn]; `typical`, per layer, what those
    neurons write at a usual token [outlier channels]. The regular column takes the typical value,
    so that a usual outlier is 0.
    """

    layout: SplitLayout
    neurons: tuple[npt.NDArray[np.bool_], ...]
    typical: tuple[FloatArray, ...]

    def outlier_kernel(self, layer: int, kernel: FloatArray) -> FloatArray:
        """The share of a layer's kernel [ffn, hidden] that writes outliers: [ffn, outliers]."""
        columns = kernel[:, list(self.layout.outliers)]
        return np.asarray(np.where(self.neurons[layer].T, columns, 0.0), np.float32)

    def outlier_rows(self, layer: int, neurons: FloatArray, kernel: FloatArray) -> FloatArray:
        """The outliers [n, outlier channels] that a layer's neurons [n, ffn] write."""
        written = neurons @ self.outlier_kernel(layer, kernel)
        return np.asarray(written - self.typical[layer], np.float32)


def make_empty_split(hidden: int, ffn: tuple[int, ...]) -> OutlierSplit:
    """Every channel in one column."""
    return OutlierSplit(
        SplitLayout(hidden),
        tuple(np.zeros((0, size), np.bool_) for size in ffn),
        tuple(np.zeros(0, np.float32) for _ in ffn),
    )
