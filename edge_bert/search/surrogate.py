"""A Gaussian process over a small product of choices: the surrogate for scores and costs.

The kernel is additive of first and second order (Duvenaud et al. 2011, "Additive Gaussian
Processes", arXiv:1112.4394): one term per dimension and one per pair of dimensions. What a smaller
layer, table or width costs mostly adds up, and pairs hold how two of them interact. The base kernel
is a squared exponential over ordered choices. The amplitudes maximize the posterior (Rasmussen and
Williams 2006, chapter 5), because a prior keeps them sane where points are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.int64]
LENGTH_SCALE = 1.0  # of the kernel, where the choices of a dimension span 0 to 1
JITTER = 1e-8  # on the diagonal, so that the Cholesky factor exists
SPAN = 4.0  # prior standard deviations between the cheapest point and the most expensive
# Log amplitudes of the prior: of a dimension, of all pairs, of noise; and their spread.
PRIOR_DIMENSION, PRIOR_PAIRS, PRIOR_NOISE, PRIOR_SPREAD = -0.7, -1.0, -6.0, 1.5


@dataclass(frozen=True)
class Kernel:
    """The additive kernel; `theta` are log amplitudes of the dimensions, the pairs and the noise.

    `tables` hold the base kernel of each dimension, [choices, choices], with ones on the diagonal.
    """

    tables: tuple[Floats, ...]
    theta: Floats

    def base_terms(self, points: Points, others: Points) -> Floats:
        """The base kernel of each dimension: [dimensions, n, m]."""
        return np.stack(
            [t[points[:, d, None], others[None, :, d]] for d, t in enumerate(self.tables)]
        )

    def covariance(self, points: Points, others: Points) -> Floats:
        """The kernel [n, m]: a constant, the dimensions and the pairs.

        The sum over pairs is (sum² - sum of squares) / 2, without a loop over pairs (Duvenaud et
        al. 2011, the Newton-Girard identity).
        """
        total = np.zeros((len(points), len(others)))
        squares = np.zeros_like(total)
        for d, table in enumerate(self.tables):
            term = np.exp(self.theta[d]) * table[points[:, d, None], others[None, :, d]]
            total += term
            squares += term * term
        return np.asarray(1.0 + total + np.exp(self.theta[-2]) * (total * total - squares) / 2)

    def variance(self) -> float:
        """The kernel of any point with itself."""
        amplitude = np.exp(self.theta[:-2])
        pairs = (amplitude.sum() ** 2 - (amplitude**2).sum()) / 2
        return float(1.0 + amplitude.sum() + np.exp(self.theta[-2]) * pairs)


@dataclass(frozen=True)
class Surrogate:
    """A process conditioned on `targets` [n] at `points` [n, dimensions].

    `targets` are values less the prior mean, in units of `scale`; `trend` is the slope of that
    mean, `factor` the Cholesky factor of the covariance, `weights` its solution for the targets.
    """

    kernel: Kernel
    trend: Floats
    offset: float
    scale: float
    points: Points
    targets: Floats
    factor: Floats
    weights: Floats

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """Means and standard deviations, each [n], in the units of the values."""
        cross = self.kernel.covariance(points, self.points)
        mean = cross @ self.weights
        half = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        variance = self.kernel.variance() - np.einsum("ij,ij->j", half, half)
        return (
            self.offset + self.scale * (mean + points @ self.trend),
            self.scale * np.sqrt(np.maximum(variance, JITTER)),
        )


def fit_surrogate(sizes: Sequence[int], points: Points, values: Floats) -> Surrogate:
    """The process of largest posterior for `values` [n] at `points` [n, dimensions], n > 0."""
    scale = float(values.std()) or 1.0
    trend = _prior_trend(sizes)
    offset = float(values.mean() - scale * (points @ trend).mean())
    targets = (values - offset) / scale - points @ trend
    prior = Kernel(_base_tables(sizes), _prior_amplitudes(len(sizes)))
    optimum = minimize(
        _negative_log_posterior,
        prior.theta,
        args=(prior.base_terms(points, points), targets),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-9.0, 4.0)] * len(sizes) + [(-9.0, 3.0), (-12.0, 0.0)],
        options={"maxiter": 60},
    )
    kernel = replace(prior, theta=optimum.x)
    factor, weights = _condition(kernel, points, targets)
    return Surrogate(kernel, trend, offset, scale, points, targets, factor, weights)


def fantasize_point(surrogate: Surrogate, point: Points) -> Surrogate:
    """`surrogate` as if `point` [dimensions] had given its predicted mean.

    The means stay; the deviations shrink, so that the next choice lies elsewhere.
    """
    target = surrogate.kernel.covariance(point[None], surrogate.points) @ surrogate.weights
    points = np.vstack([surrogate.points, point[None]])
    targets = np.append(surrogate.targets, target)
    factor, weights = _condition(surrogate.kernel, points, targets)
    return replace(surrogate, points=points, targets=targets, factor=factor, weights=weights)


def _condition(kernel: Kernel, points: Points, targets: Floats) -> tuple[Floats, Floats]:
    """The Cholesky factor [n, n] of the covariance with noise, and its solution [n] for targets."""
    covariance = kernel.covariance(points, points)
    covariance[np.diag_indices_from(covariance)] += np.exp(kernel.theta[-1]) + JITTER
    factor = np.tril(cho_factor(covariance, lower=True)[0])
    return factor, cho_solve((factor, True), targets)


def _base_tables(sizes: Sequence[int]) -> tuple[Floats, ...]:
    """Base kernels; the last dimension has no order: two choices are equal or they differ."""
    tables = []
    for size in sizes[:-1]:
        position = np.linspace(0, 1, size)
        distance = position[:, None] - position
        tables.append(np.exp(-(distance**2) / (2 * LENGTH_SCALE**2)))
    unordered = np.where(np.eye(sizes[-1]) > 0, 1.0, np.exp(-0.5 / LENGTH_SCALE**2))
    return (*tables, unordered)


def _prior_trend(sizes: Sequence[int]) -> Floats:
    """What a step in each dimension is expected to give, in standard deviations.

    Choices rise in cost, and more expensive ones score more; without this slope, a process knows
    nothing of choices that were not evaluated.
    """
    ordered = [size - 1 for size in sizes[:-1]]
    dimensions = max(sum(size > 0 for size in ordered), 1)
    return np.array([SPAN / dimensions / size if size else 0.0 for size in ordered] + [0.0])


def _prior_amplitudes(dimensions: int) -> Floats:
    return np.array([PRIOR_DIMENSION] * dimensions + [PRIOR_PAIRS, PRIOR_NOISE])


def _negative_log_posterior(theta: Floats, terms: Floats, targets: Floats) -> tuple[float, Floats]:
    """The negative log posterior of log amplitudes `theta`, and its gradient.

    `terms` [dimensions, n, n] are the base kernels. The gradient with respect to an amplitude is
    trace((K⁻¹ - α αᵀ) dK) / 2 with α = K⁻¹ y (Rasmussen and Williams 2006, equation 5.9); the
    Gaussian prior adds its own.
    """
    scaled = np.exp(theta[:-2])[:, None, None] * terms
    total = scaled.sum(0)
    pairs = (total * total - (scaled * scaled).sum(0)) / 2
    pair_amplitude, noise = np.exp(theta[-2]), np.exp(theta[-1])
    covariance = 1.0 + total + pair_amplitude * pairs
    covariance[np.diag_indices_from(covariance)] += noise + JITTER
    try:
        factor = cho_factor(covariance, lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    inverse = cho_solve(factor, np.eye(len(targets)))
    weights = inverse @ targets
    away = (theta - _prior_amplitudes(len(terms))) / PRIOR_SPREAD
    loss = targets @ weights / 2 + np.log(np.diag(factor[0])).sum() + away @ away / 2
    inner = inverse - np.outer(weights, weights)
    # d(pairs)/d(log amplitude) of a dimension is its term times all the other terms.
    slopes = [np.sum(inner * term * (1 + pair_amplitude * (total - term))) / 2 for term in scaled]
    slopes += [np.sum(inner * pairs) * pair_amplitude / 2, np.trace(inner) * noise / 2]
    return float(loss), np.array(slopes) + away / PRIOR_SPREAD
