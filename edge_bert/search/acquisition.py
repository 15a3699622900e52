"""Which candidates to build next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from edge_bert.search import surrogate
from edge_bert.search.surrogate import Floats, Points, Surrogate
from edge_bert.search.warping import warp_scores

START_SHARE = 4  # at most one evaluation in four is spread over the space before any is chosen
START_EACH = 2  # and at most so many for each dimension
DEAR = 0.2  # the worth of the dearest choice beside that of one not seen before
DOUBT_EVERY, DOUBT = 3, 3.0  # one proposal in three takes deviations to be so many times as wide
LEAST = 1e-300  # so that logarithms exist
FRONT_AFTER = 24  # evaluations for the best score alone; after them,
FRONT_EVERY = 4  # one proposal in four looks at a smaller file than the budget allows


@dataclass(frozen=True)
class Seen:
    """What is known of the evaluated points, by their places among the open ones.

    `scores` [n] and `costs` [n, limited amounts] are nan where not known; `limits` has the budget
    of each amount; `feasible` says which points meet the budget.
    """

    places: tuple[int, ...]
    scores: Floats
    costs: Floats
    limits: Floats
    min_score: float | None
    feasible: tuple[bool, ...]


def starting_points(points: Points, sizes: Sequence[int], evaluations: int, seed: int) -> list[int]:
    """Places of points that together show every choice, the one of the dearest choices first.

    Each next one has the choices that were seen least; of equal ones the dearer, which scores
    more, and then the seed decides.
    """
    count = min(-(-evaluations // START_SHARE), START_EACH * len(sizes), len(points))
    ordered = points[:, :-1] / np.maximum(np.array(sizes[:-1]) - 1, 1)
    worth = ordered.sum(1) + np.random.default_rng(seed).random(len(points)) * 1e-3
    chosen = [int(np.argmax(worth))]
    while len(chosen) < count:
        merit = DEAR * worth
        for dimension, size in enumerate(sizes):
            times = np.bincount(points[chosen, dimension], minlength=size)
            merit += 1 / (1 + times[points[:, dimension]])
        merit[chosen] = -np.inf
        chosen.append(int(np.argmax(merit)))
    return chosen


def propose_points(
    points: Points,
    sizes: Sequence[int],
    bytes_of: Floats,
    seen: Seen,
    count: int,
    seed: int,
) -> list[int]:
    """`count` new places: where the score may improve most on the best that meets the budget.

    Expected improvement times the probability of meeting the budget (Gardner et al. 2014,
    "Bayesian Optimization with Inequality Constraints"). Within a batch, each one is chosen as if
    those before it had given what is expected of them.
    """
    random = np.random.default_rng([seed, len(seen.places)])
    known = np.isfinite(seen.scores)
    free = np.ones(len(points), np.bool_)
    free[list(seen.places)] = False
    count = min(count, int(free.sum()))
    if not known.any():
        return [int(place) for place in random.permutation(np.flatnonzero(free))[:count]]
    at = points[np.array(seen.places)[known]]
    scores = seen.scores[known]
    model = surrogate.fit_surrogate(sizes, at, warp_scores(scores, scores))
    chance = np.log(np.maximum(_chance(points, sizes, seen), LEAST))
    chosen: list[int] = []
    for order in range(len(seen.places), len(seen.places) + count):
        small = bytes_of <= _cap(bytes_of, order, random)
        doubt = 1.0 if order % DOUBT_EVERY else DOUBT
        floor = warp_scores(np.array([_floor(seen, small)]), scores)[0]
        gain = _gain(model, points, float(floor), doubt)
        merit = np.log(np.maximum(gain, LEAST)) + chance
        merit[~(free & small if (free & small).any() else free)] = -np.inf
        place = int(np.argmax(merit))
        chosen.append(place)
        free[place] = False
        model = surrogate.fantasize_point(model, points[place])
    return chosen


def _cap(bytes_of: Floats, order: int, random: np.random.Generator) -> float:
    """The largest file to look at: any, or now and then a smaller one, to fill the front."""
    if order < FRONT_AFTER or order % FRONT_EVERY:
        return np.inf
    return float(np.quantile(bytes_of, random.random()))


def _floor(seen: Seen, small: npt.NDArray[np.bool_]) -> float:
    """The score to improve on: the best so far that meets the budget in a `small` file.

    Where there is none yet, the worst of all; never less than the lowest acceptable one.
    """
    scores = [
        score
        for score, place, fits in zip(seen.scores, seen.places, seen.feasible, strict=True)
        if fits and small[place]
    ]
    best = float(max(scores, default=np.nanmin(seen.scores)))
    return best if seen.min_score is None else max(best, seen.min_score)


def _gain(model: Surrogate, points: Points, floor: float, doubt: float) -> Floats:
    """Expected improvement [n] on `floor` (Jones et al. 1998).

    With few points a process is surer than it should be; `doubt` widens its deviations.
    """
    mean, deviation = model.predict(points)
    deviation = deviation * doubt
    step = (mean - floor) / deviation
    density = np.exp(-(step**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(deviation * (step * ndtr(step) + density))


def _chance(points: Points, sizes: Sequence[int], seen: Seen) -> Floats:
    """The probability [n] that every limited amount is within its limit."""
    chance = np.ones(len(points))
    for values, limit in zip(seen.costs.T, seen.limits, strict=True):
        known = np.isfinite(values)
        if not known.any():
            continue
        places = np.array(seen.places)[known]
        mean, deviation = surrogate.fit_surrogate(
            sizes, points[places], np.log(values[known])
        ).predict(points)
        chance = chance * ndtr((np.log(limit) - mean) / deviation)
    return chance
