"""The pruning order of a matrix's inputs, where those that stay make up for those that go.

The optimal brain surgeon (OBS, Hassibi and Stork 1992) for whole groups of inputs, as ZipLM
(Kurtic et al. 2023, arXiv:2302.04089) uses it: the squared error of the matrix's output, after the
best possible update of what remains, follows from the inverse covariance of its inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.compress.prune.covariance import Double

Indices = npt.NDArray[np.int64]
CANDIDATES = 4


@dataclass(frozen=True)
class RemovalOrder:
    """`order` has every group, the first to go first.

    `errors[k]` is the mean squared error of the output, summed over its channels, when the first k
    groups are gone; it has one entry more than `order` and never falls.
    """

    order: tuple[int, ...]
    errors: tuple[float, ...]

    def keep(self, count: int) -> tuple[int, ...]:
        """The `count` groups that go last, in their original order."""
        return tuple(sorted(self.order[len(self.order) - count :]))


def order_removals(covariance: Double, kernel: Double, size: int, at_once: int) -> RemovalOrder:
    """The order in which groups of `size` neighboring inputs go, `at_once` in each round.

    `covariance` [inputs, inputs] is that of the inputs, positive definite; `kernel` is [inputs,
    outputs], its outputs scaled by their importance.
    """
    inverse, kernel = np.asarray(np.linalg.inv(covariance), np.float64), kernel.copy()
    remaining = np.arange(len(kernel) // size)
    order: list[int] = []
    errors = [0.0]
    while len(remaining):
        groups, added = _pick_groups(inverse, kernel, size, min(at_once, len(remaining)))
        rows = _rows_of(groups, size)
        _remove_rows(inverse, kernel, rows)
        order += remaining[groups].tolist()
        errors += (errors[-1] + np.cumsum(added)).tolist()
        inverse, kernel = _drop_rows(inverse, kernel, rows)
        remaining = np.delete(remaining, groups)
    return RemovalOrder(tuple(order), tuple(errors))


def _pick_groups(
    inverse: Double, kernel: Double, size: int, count: int
) -> tuple[Indices, list[float]]:
    """The next `count` groups to go, and the error that each of them adds.

    Each is chosen after those before it are gone, so that of two that stand in for each other only
    one goes; but only among the `CANDIDATES * count` that look best at first.
    """
    candidates = np.argsort(_removal_errors(inverse, kernel, size), kind="stable")[
        : CANDIDATES * count
    ]
    rows = _rows_of(candidates, size)
    inverse, kernel = inverse[np.ix_(rows, rows)], kernel[rows]
    groups: list[int] = []
    errors: list[float] = []
    for _ in range(count):
        scores = _removal_errors(inverse, kernel, size)
        best = int(np.argmin(scores))
        errors.append(max(float(scores[best]), 0.0))
        groups.append(int(candidates[best]))
        rows = _rows_of(np.array([best]), size)
        _remove_rows(inverse, kernel, rows)
        inverse, kernel = _drop_rows(inverse, kernel, rows)
        candidates = np.delete(candidates, best)
    return np.array(groups), errors


def _rows_of(groups: Indices, size: int) -> Indices:
    return (groups[:, None] * size + np.arange(size)).reshape(-1)


def _removal_errors(inverse: Double, kernel: Double, size: int) -> Double:
    """The error of removing each group by itself: tr(W' [inverse of its block] W)."""
    if size == 1:
        return np.asarray(np.square(kernel).sum(axis=1) / np.diagonal(inverse))
    offsets = range(0, len(kernel), size)
    blocks = np.stack([inverse[at : at + size, at : at + size] for at in offsets])
    groups = kernel.reshape(len(blocks), size, -1)
    return np.asarray((groups * np.linalg.solve(blocks, groups)).sum(axis=(1, 2)))


def _remove_rows(inverse: Double, kernel: Double, rows: Indices) -> None:
    """Update both in place so that what stays makes up for `rows`: the OBS update."""
    block, column = inverse[np.ix_(rows, rows)], inverse[:, rows]
    kernel -= column @ np.linalg.solve(block, kernel[rows])
    inverse -= column @ np.linalg.solve(block, column.T)


def _drop_rows(inverse: Double, kernel: Double, rows: Indices) -> tuple[Double, Double]:
    """Both without `rows`."""
    staying = np.delete(np.arange(len(kernel)), rows)
    return inverse[np.ix_(staying, staying)], kernel[staying]
