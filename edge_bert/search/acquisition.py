"""The acquisition function: which candidates to build next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from edge_bert.search.surrogate import Floats, Points, Surrogate, fantasize_point, fit_surrogate
from edge_bert.search.warping import warp_scores

INITIAL_SHARE = 4  # at most one evaluation in four goes to the initial design
INITIAL_PER_DIMENSION = 2  # and at most so many for each dimension
COST_WEIGHT = 0.2  # of the most expensive choice, beside 1 for a choice not evaluated yet
EXPLORE_EVERY, EXPLORE_SCALE = 3, 3.0  # one proposal in three widens the deviations so much
TINY = 1e-300  # so that logarithms exist
PARETO_AFTER = 24  # evaluations for the best score alone; after them,
PARETO_EVERY = 4  # one proposal in four looks at a smaller file than the budget allows


@dataclass(frozen=True)
class Observations:
    """The evaluated points; `indices` [n] are their positions among the feasible points.

    `scores` [n] and `costs` [n, limited amounts] are nan where not known; `limits` has the budget
    of each amount; `feasible` says which points meet the budget.
    """

    indices: tuple[int, ...]
    scores: Floats
    costs: Floats
    limits: Floats
    min_score: float | None
    feasible: tuple[bool, ...]


def initial_points(points: Points, sizes: Sequence[int], evaluations: int, seed: int) -> list[int]:
    """Indices of the initial design: every choice of every dimension about equally often.

    Greedy: each next point has the choices that occur least so far. Of equal points the more
    expensive wins, because it tends to score more, and then the seed decides.
    """
    count = min(-(-evaluations // INITIAL_SHARE), INITIAL_PER_DIMENSION * len(sizes), len(points))
    ordered = points[:, :-1] / np.maximum(np.array(sizes[:-1]) - 1, 1)
    expense = ordered.sum(1) + np.random.default_rng(seed).random(len(points)) * 1e-3
    chosen = [int(np.argmax(expense))]
    while len(chosen) < count:
        merit = COST_WEIGHT * expense
        for dimension, size in enumerate(sizes):
            times = np.bincount(points[chosen, dimension], minlength=size)
            merit += 1 / (1 + times[points[:, dimension]])
        merit[chosen] = -np.inf
        chosen.append(int(np.argmax(merit)))
    return chosen


def propose_points(
    points: Points,
    sizes: Sequence[int],
    file_bytes: Floats,
    observed: Observations,
    count: int,
    seed: int,
) -> list[int]:
    """Indices of `count` points of largest acquisition that were not evaluated yet.

    The acquisition is expected improvement times the probability of feasibility (Gardner et al.
    2014, "Bayesian Optimization with Inequality Constraints"). Within a batch, each point is
    chosen as if those before it had given their predicted means: the kriging believer (Ginsbourger
    et al. 2010, "Kriging is well-suited to parallelize optimization").
    """
    random = np.random.default_rng([seed, len(observed.indices)])
    scored = np.isfinite(observed.scores)
    free = np.ones(len(points), np.bool_)
    free[list(observed.indices)] = False
    count = min(count, int(free.sum()))
    if not scored.any():
        return [int(index) for index in random.permutation(np.flatnonzero(free))[:count]]
    scores = observed.scores[scored]
    scored_points = points[np.array(observed.indices)[scored]]
    model = fit_surrogate(sizes, scored_points, warp_scores(scores, scores))
    # In logarithms, because the product of small probabilities would vanish.
    feasibility = np.log(np.maximum(_feasibility(points, sizes, observed), TINY))
    chosen: list[int] = []
    for order in range(len(observed.indices), len(observed.indices) + count):
        small = file_bytes <= _size_limit(file_bytes, order, random)
        scale = 1.0 if order % EXPLORE_EVERY else EXPLORE_SCALE
        incumbent = warp_scores(np.array([_incumbent(observed, small)]), scores)[0]
        gain = _expected_improvement(model, points, float(incumbent), scale)
        merit = np.log(np.maximum(gain, TINY)) + feasibility
        merit[~(free & small if (free & small).any() else free)] = -np.inf
        index = int(np.argmax(merit))
        chosen.append(index)
        free[index] = False
        model = fantasize_point(model, points[index])
    return chosen


def _size_limit(file_bytes: Floats, order: int, random: np.random.Generator) -> float:
    """The largest file to look at: any, or now and then at most a random smaller size.

    The smaller limits fill the Pareto front: its points are the best scores under each of them
    (the epsilon-constraint method of Haimes et al. 1971).
    """
    if order < PARETO_AFTER or order % PARETO_EVERY:
        return np.inf
    return float(np.quantile(file_bytes, random.random()))


def _incumbent(observed: Observations, small: npt.NDArray[np.bool_]) -> float:
    """The score to improve on: the best so far that meets the budget in a `small` file.

    Where there is none yet, the lowest of all; never below the lowest acceptable score.
    """
    scores = [
        score
        for score, index, feasible in zip(
            observed.scores, observed.indices, observed.feasible, strict=True
        )
        if feasible and small[index]
    ]
    best = float(max(scores, default=np.nanmin(observed.scores)))
    return best if observed.min_score is None else max(best, observed.min_score)


def _expected_improvement(
    model: Surrogate, points: Points, incumbent: float, scale: float
) -> Floats:
    """Expected improvement [n] on `incumbent` (Jones et al. 1998).

    A Gaussian process fitted to few points is overconfident; `scale` widens its deviations.
    """
    mean, deviation = model.predict(points)
    deviation = deviation * scale
    z = (mean - incumbent) / deviation
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(deviation * (z * ndtr(z) + density))


def _feasibility(points: Points, sizes: Sequence[int], observed: Observations) -> Floats:
    """The probability [n] that every limited amount is within its limit.

    Costs are modelled in logarithms, one independent process each: layers and widths multiply.
    """
    probability = np.ones(len(points))
    for values, limit in zip(observed.costs.T, observed.limits, strict=True):
        measured = np.isfinite(values)
        if not measured.any():
            continue
        indices = np.array(observed.indices)[measured]
        model = fit_surrogate(sizes, points[indices], np.log(values[measured]))
        mean, deviation = model.predict(points)
        probability = probability * ndtr((np.log(limit) - mean) / deviation)
    return probability
