"""In which order the inputs of a matrix are given up, when those that stay make up for them.

The method is the optimal brain surgeon's (Hassibi and Stork 1992) for whole groups of inputs, as
ZipLM (Kurtic et al. 2023, arXiv:2302.04089) uses it: the squared error of the matrix's output,
after the best possible update of what remains, follows from the inverse covariance of its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.compress.prune.covariance import Double

Places = npt.NDArray[np.int64]
CANDIDATES = 4


@dataclass(frozen=True)
class RemovalOrder:
    """`order` has every group, the first to go first.

    `errors[k]` is the mean squared error of the output, summed over its channels, when the first k
    groups are gone; it has one entry more than `order` and never falls.
    """

    order: tuple[int, ...]
    errors: tuple[float, ...]

    def kept(self, count: int) -> tuple[int, ...]:
        """The `count` groups that go last, in their original order."""
        return tuple(sorted(self.order[len(self.order) - count :]))


def order_removals(covariance: Double, kernel: Double, size: int, at_once: int) -> RemovalOrder:
    """The order in which groups of `size` neighbouring inputs go, `at_once` in each step.

    `covariance` [inputs, inputs] is that of the inputs, positive definite; `kernel` is [inputs,
    outputs], its outputs scaled by how much they matter.
    """
    inverse, kernel = np.asarray(np.linalg.inv(covariance), np.float64), kernel.copy()
    left = np.arange(len(kernel) // size)
    order: list[int] = []
    errors = [0.0]
    while len(left):
        going, added = _pick(inverse, kernel, size, min(at_once, len(left)))
        rows = _rows(going, size)
        _remove(inverse, kernel, rows)
        order += left[going].tolist()
        errors += (errors[-1] + np.cumsum(added)).tolist()
        staying = np.delete(np.arange(len(kernel)), rows)
        inverse, kernel = inverse[np.ix_(staying, staying)], kernel[staying]
        left = np.delete(left, going)
    return RemovalOrder(tuple(order), tuple(errors))


def _pick(inverse: Double, kernel: Double, size: int, count: int) -> tuple[Places, list[float]]:
    """The next `count` groups to go, and the error that each of them adds.

    Each is chosen after those before it are gone, so that of two that stand in for each other
    only one goes; but only among the `CANDIDATES * count` that look best at the start.
    """
    likely = np.argsort(_scores(inverse, kernel, size), kind="stable")[: CANDIDATES * count]
    rows = _rows(likely, size)
    inverse, kernel = inverse[np.ix_(rows, rows)], kernel[rows]
    going: list[int] = []
    errors: list[float] = []
    for _ in range(count):
        scores = _scores(inverse, kernel, size)
        best = int(np.argmin(scores))
        errors.append(max(float(scores[best]), 0.0))
        going.append(int(likely[best]))
        gone = _rows(np.array([best]), size)
        _remove(inverse, kernel, gone)
        staying = np.delete(np.arange(len(kernel)), gone)
        inverse, kernel = inverse[np.ix_(staying, staying)], kernel[staying]
        likely = np.delete(likely, best)
    return np.array(going), errors


def _rows(groups: Places, size: int) -> Places:
    return (groups[:, None] * size + np.arange(size)).reshape(-1)


def _scores(inverse: Double, kernel: Double, size: int) -> Double:
    """The error of taking each group away by itself: tr(W' [inverse of its block] W)."""
    if size == 1:
        return np.asarray(np.square(kernel).sum(axis=1) / np.diagonal(inverse))
    starts = range(0, len(kernel), size)
    blocks = np.stack([inverse[at : at + size, at : at + size] for at in starts])
    parts = kernel.reshape(len(blocks), size, -1)
    return np.asarray((parts * np.linalg.solve(blocks, parts)).sum(axis=(1, 2)))


def _remove(inverse: Double, kernel: Double, rows: Places) -> None:
    """Take `rows` out of both in place: what stays is updated to make up for them."""
    block, column = inverse[np.ix_(rows, rows)], inverse[:, rows]
    kernel -= column @ np.linalg.solve(block, kernel[rows])
    inverse -= column @ np.linalg.solve(block, column.T)


def refit_kernel(
    covariance: Double, mean: Double, kernel: Double, kept: Sequence[int]
) -> tuple[Double, Double]:
    """The kernel [kept, outputs] that best replaces `kernel`, and what its bias gains [outputs].

    Least squares over the inputs that `covariance` and `mean` describe: closed form.
    """
    places = np.asarray(kept)
    fitted = np.linalg.solve(covariance[np.ix_(places, places)], covariance[places] @ kernel)
    return fitted, mean @ kernel - mean[places] @ fitted
