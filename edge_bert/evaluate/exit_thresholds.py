"""Thresholds of exits: the least work at which inputs still get almost what the whole model gives.

Which inputs reach an exit depends on the thresholds before it, so that they are sought together: by
coordinates, for a price of disagreement that is raised until the wanted agreement is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray

Values = npt.NDArray[np.float64]
SWEEPS, HALVINGS = 20, 16
LEAST_PRICE, MOST_PRICE = 1e-3, 1e6  # layers that an input's disagreement may cost
NEVER = np.float32(1.0)  # of ratings that are shares: what only certainty reaches


@dataclass(frozen=True)
class ExitLosses:
    """What leaving at each exit gives and costs: `ratings` and `losses` [n, exits].

    A rating says how ready an input is to leave, a loss how far its answer is from the whole
    model's, 0 to 1. `saved` [exits] are the layers that it then does not pass.
    """

    ratings: FloatArray
    losses: Values
    saved: Values


def choose_thresholds(exits: ExitLosses, most_loss: float) -> FloatArray:
    """The limits [exits] that save most layers with a mean loss of at most `most_loss`.

    Lagrangian relaxation (Everett 1963, doi:10.1287/opre.11.3.399): each price of loss has limits
    that are best for it, the lowest price that keeps the loss is halved in on, and what is left of
    the loss is spent exit by exit. The optimum may lie off the curve of prices, a little.
    """
    budget = most_loss * len(exits.ratings) + 1e-9
    low, high = np.log(LEAST_PRICE), np.log(MOST_PRICE)
    best = _sweep(exits, np.exp(high))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        limits = _sweep(exits, np.exp(middle))
        if _sum_loss(exits, limits) <= budget:
            best, high = limits, middle
        else:
            low = middle
    if _sum_loss(exits, best) > budget:
        return np.full(len(exits.saved), NEVER)
    return _spend_rest(exits, best, budget)


def _sweep(exits: ExitLosses, price: float) -> FloatArray:
    """The limits at which no single one can be moved for more layers less the price of losses."""
    count = len(exits.saved)
    limits = np.full(count, NEVER)
    values = exits.saved - price * exits.losses
    for _ in range(SWEEPS):
        before = limits.copy()
        for place in range(count):
            limits[place] = _best_limit(exits, limits, place, values, None)
        if np.array_equal(before, limits):
            break
    return limits


def _spend_rest(exits: ExitLosses, limits: FloatArray, budget: float) -> FloatArray:
    """Each limit in turn as low as the loss allows, where that saves layers."""
    limits = limits.copy()
    values = np.broadcast_to(exits.saved, exits.losses.shape)
    for place in range(len(limits)):
        limits[place] = _best_limit(exits, limits, place, values, budget)
    return limits


def _best_limit(
    exits: ExitLosses, limits: FloatArray, place: int, values: Values, budget: float | None
) -> np.float32:
    """The limit of one exit that is worth most while the others stay.

    `values` [n, exits] are what leaving is worth; with a budget, the sum of losses stays within it.
    """
    reaches = exits.ratings >= limits
    reached = np.flatnonzero(~reaches[:, :place].any(axis=1))
    later = _pass_on(reaches[reached, place + 1 :])
    ratings = exits.ratings[reached, place]
    order = np.argsort(-ratings, kind="stable")
    ratings = ratings[order]

    def change(table: Values) -> Values:
        """What changes with each input that leaves here and not later, summed up, from none on."""
        padded = np.concatenate([table[reached, place + 1 :], np.zeros((len(reached), 1))], axis=1)
        differs = table[reached, place] - padded[np.arange(len(reached)), later]
        return np.concatenate([[0.0], np.cumsum(differs[order])])

    worth = change(values)
    allowed = np.concatenate([[True], ratings[1:] < ratings[:-1], [True]])[: len(worth)]
    if budget is not None:
        never = np.array([*limits[:place], np.float32(np.inf), *limits[place + 1 :]], np.float32)
        allowed &= _sum_loss(exits, never) + change(exits.losses) <= budget
    if not allowed.any():
        return np.float32(limits[place])
    count = int(np.argmax(np.where(allowed, worth, -np.inf)))
    return _limit_between(ratings, count)


def _pass_on(reaches: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The place of the first later exit that takes an input, [n]; their number where none does."""
    count = reaches.shape[1]
    if not count:
        return np.zeros(len(reaches), np.intp)
    return np.asarray(np.where(reaches.any(axis=1), reaches.argmax(axis=1), count), np.intp)


def _limit_between(ratings: FloatArray, count: int) -> np.float32:
    """A limit that the first `count` of falling ratings reach: half-way to the next one."""
    if not count:
        return NEVER
    last = ratings[count - 1]
    below = ratings[count] if count < len(ratings) else np.float32(0.0)
    middle = np.float32((np.float64(last) + np.float64(below)) / 2)
    return middle if below < middle <= last else np.float32(last)


def _sum_loss(exits: ExitLosses, limits: FloatArray) -> float:
    reaches = exits.ratings >= limits
    first = reaches.argmax(axis=1)
    lost = exits.losses[np.arange(len(first)), first]
    return float(np.sum(lost[reaches.any(axis=1)]))
