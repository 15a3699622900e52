"""A cheap stand-in for an expensive function on a small product of choices.

A Gaussian process whose kernel sums one term per dimension and one per pair of dimensions
(Duvenaud et al. 2011, "Additive Gaussian Processes", arXiv:1112.4394), because what a smaller
layer, table or width costs mostly adds up, and the rest is how two of them meet. The amplitudes
are those of the largest posterior (Rasmussen and Williams 2006, chapter 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.int64]
LENGTH = 1.0  # of the kernel, where the choices of a dimension span 0 to 1
JITTER = 1e-8
SPAN = 4.0  # standard deviations from the cheapest point to the dearest, until seen otherwise
# Log amplitudes before anything is seen: of a dimension, of all pairs, of noise; and their spread.
PRIOR_DIMENSION, PRIOR_PAIRS, PRIOR_NOISE, PRIOR_SPREAD = -0.7, -1.0, -6.0, 1.5


@dataclass(frozen=True)
class Surrogate:
    """A fitted process: predicts means and standard deviations [n] at points [n, dimensions]."""

    grams: Grams
    theta: Floats
    trend: Floats
    seen: Points
    factor: Floats
    weights: Floats
    targets: Floats
    centre: float
    scale: float

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """Means and standard deviations, each [n], in the units of the values."""
        across = self.grams.kernel(self.theta, points, self.seen)
        mean = across @ self.weights
        half = solve_triangular(self.factor, across.T, lower=True, check_finite=False)
        own = self.grams.diagonal(self.theta) - np.einsum("ij,ij->j", half, half)
        return (
            self.centre + self.scale * (mean + points @ self.trend),
            self.scale * np.sqrt(np.maximum(own, JITTER)),
        )


@dataclass(frozen=True)
class Grams:
    """For each dimension, how alike any two of its choices are: [choices, choices], 1 if equal."""

    tables: tuple[Floats, ...]

    @staticmethod
    def of(sizes: Sequence[int]) -> Grams:
        """Ordered dimensions, but for the last one, whose choices are merely the same or not."""
        tables = []
        for number, size in enumerate(sizes):
            place = np.linspace(0, 1, size)
            table = np.exp(-((place[:, None] - place) ** 2) / (2 * LENGTH**2))
            if number == len(sizes) - 1:
                table = np.where(np.eye(size) > 0, 1.0, np.exp(-0.5 / LENGTH**2))
            tables.append(table)
        return Grams(tuple(tables))

    def parts(self, points: Points, others: Points) -> Floats:
        """The terms of the dimensions: [dimensions, n, m]."""
        return np.stack(
            [t[points[:, d, None], others[None, :, d]] for d, t in enumerate(self.tables)]
        )

    def kernel(self, theta: Floats, points: Points, others: Points) -> Floats:
        """The kernel [n, m]: a constant, the dimensions and the pairs."""
        total = np.zeros((len(points), len(others)))
        squares = np.zeros_like(total)
        for d, table in enumerate(self.tables):
            part = np.exp(theta[d]) * table[points[:, d, None], others[None, :, d]]
            total += part
            squares += part * part
        return np.asarray(1.0 + total + np.exp(theta[-2]) * (total * total - squares) / 2)

    def diagonal(self, theta: Floats) -> float:
        """The kernel of a point with itself."""
        amplitude = np.exp(theta[:-2])
        pairs = (amplitude.sum() ** 2 - (amplitude**2).sum()) / 2
        return float(1.0 + amplitude.sum() + np.exp(theta[-2]) * pairs)


def fit_surrogate(sizes: Sequence[int], points: Points, values: Floats) -> Surrogate:
    """The process of largest posterior for `values` [n] at `points` [n, dimensions], n > 0."""
    scale = float(values.std()) or 1.0
    trend = _trend(sizes)
    centre = float(values.mean() - scale * (points @ trend).mean())
    targets = (values - centre) / scale - points @ trend
    grams = Grams.of(sizes)
    found = minimize(
        _loss,
        _prior(len(sizes)),
        args=(grams.parts(points, points), targets),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-9.0, 4.0)] * len(sizes) + [(-9.0, 3.0), (-12.0, 0.0)],
        options={"maxiter": 60},
    )
    return _conditioned(grams, found.x, trend, points, targets, centre, scale)


def fantasize_point(surrogate: Surrogate, point: Points) -> Surrogate:
    """`surrogate` as if `point` [dimensions] had given what is expected of it.

    The means stay; the deviations shrink, so that the next choice lies elsewhere.
    """
    expected = surrogate.grams.kernel(surrogate.theta, point[None], surrogate.seen)
    target = expected @ surrogate.weights
    seen = np.vstack([surrogate.seen, point[None]])
    targets = np.append(surrogate.targets, target)
    return _conditioned(
        surrogate.grams,
        surrogate.theta,
        surrogate.trend,
        seen,
        targets,
        surrogate.centre,
        surrogate.scale,
    )


def _conditioned(
    grams: Grams,
    theta: Floats,
    trend: Floats,
    points: Points,
    targets: Floats,
    centre: float,
    scale: float,
) -> Surrogate:
    """The process with these amplitudes that has seen `targets` at `points`."""
    kernel = grams.kernel(theta, points, points)
    kernel[np.diag_indices_from(kernel)] += np.exp(theta[-1]) + JITTER
    factor = np.tril(cho_factor(kernel, lower=True)[0])
    weights = cho_solve((factor, True), targets)
    return Surrogate(grams, theta, trend, points, factor, weights, targets, centre, scale)


def _trend(sizes: Sequence[int]) -> Floats:
    """What a step in each dimension is expected to give, in standard deviations.

    Choices come from the cheapest to the dearest, and dearer ones score more and cost more.
    """
    ordered = [size - 1 for size in sizes[:-1]]
    dimensions = max(sum(size > 0 for size in ordered), 1)
    return np.array([SPAN / dimensions / size if size else 0.0 for size in ordered] + [0.0])


def _prior(dimensions: int) -> Floats:
    return np.array([PRIOR_DIMENSION] * dimensions + [PRIOR_PAIRS, PRIOR_NOISE])


def _loss(theta: Floats, parts: Floats, targets: Floats) -> tuple[float, Floats]:
    """The negative log posterior and its gradient."""
    scaled = np.exp(theta[:-2])[:, None, None] * parts
    total = scaled.sum(0)
    pairs = (total * total - (scaled * scaled).sum(0)) / 2
    share, noise = np.exp(theta[-2]), np.exp(theta[-1])
    kernel = 1.0 + total + share * pairs
    kernel[np.diag_indices_from(kernel)] += noise + JITTER
    try:
        factor = cho_factor(kernel, lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    inverse = cho_solve(factor, np.eye(len(targets)))
    weights = inverse @ targets
    away = (theta - _prior(len(parts))) / PRIOR_SPREAD
    loss = targets @ weights / 2 + np.log(np.diag(factor[0])).sum() + away @ away / 2
    inner = inverse - np.outer(weights, weights)
    slopes = [np.sum(inner * part * (1 + share * (total - part))) / 2 for part in scaled]
    slopes += [np.sum(inner * pairs) * share / 2, np.trace(inner) * noise / 2]
    return float(loss), np.array(slopes) + away / PRIOR_SPREAD
