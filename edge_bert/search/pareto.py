"""Which candidates no other one beats, and which come nearest to a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_bert.records.budget import LIMIT_FIELDS, Violation
from edge_bert.records.candidate import Evaluated
from edge_bert.search.problem import candidate_key

NEAREST = 5
Amounts = tuple[float, ...]


def pareto_front(found: Sequence[Evaluated]) -> tuple[Evaluated, ...]:
    """Those that no other one is at least as good as in everything and better in something.

    The amounts are size, latency, energy and score; what is not known is taken as worst. Smallest
    file first; candidates with equal amounts are all kept.
    """
    kept = [found[index] for index in find_undominated([objective_values(each) for each in found])]
    return tuple(
        sorted(kept, key=lambda each: (objective_values(each), candidate_key(each.candidate)))
    )


def objective_values(each: Evaluated) -> Amounts:
    """Size, latency, energy and the score's negative: less is better in each."""
    cost = each.cost
    return (
        float(cost.size_bytes),
        math.inf if cost.latency_ms is None else cost.latency_ms,
        math.inf if cost.energy_mj is None else cost.energy_mj,
        math.inf if each.score is None else -each.score,
    )


def find_undominated(rows: Sequence[Amounts]) -> list[int]:
    """The places of the rows that no other row is below in something and above in nothing."""
    order = sorted(range(len(rows)), key=lambda index: rows[index])
    kept: list[int] = []
    for index in order:  # what dominates a row sorts before it
        if not any(_dominates(rows[other], rows[index]) for other in kept):
            kept.append(index)
    return kept


def nearest_misses(
    missed: Sequence[tuple[Evaluated, Sequence[Violation]]],
) -> tuple[Evaluated, ...]:
    """The candidates that miss a budget by least, the smallest worst miss first.

    Of those, none is further off than another one in every limit that either misses; of equal ones
    it is the one of the best score, or else of the largest file, which has most of the model left.
    """
    by_row: dict[Amounts, tuple[tuple[float, float, str], Evaluated]] = {}
    for each, misses in missed:
        row, found = _ratios(misses), (_preference(each), each)
        by_row[row] = min(by_row.get(row, found), found, key=lambda pair: pair[0])
    rows = list(by_row)
    best = [rows[index] for index in find_undominated(rows)]
    best.sort(key=lambda row: (max(row), sum(row), by_row[row][0]))
    return tuple(by_row[row][1] for row in best[:NEAREST])


def _preference(each: Evaluated) -> tuple[float, float, str]:
    size, _, _, score = objective_values(each)
    return score, -size, candidate_key(each.candidate)


def _ratios(misses: Sequence[Violation]) -> Amounts:
    ratios = {miss.name: miss.ratio for miss in misses}
    return tuple(ratios.get(name, 1.0) for name in LIMIT_FIELDS)


def _dominates(row: Amounts, other: Amounts) -> bool:
    return row != other and all(a <= b for a, b in zip(row, other, strict=True))
