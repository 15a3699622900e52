"""The Pareto front of evaluated candidates, and the candidates nearest to a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_bert.records.budget import LIMIT_FIELDS, Violation
from edge_bert.records.candidate import Evaluated
from edge_bert.search.problem import candidate_key

NEAREST = 5
Objectives = tuple[float, ...]


def pareto_front(candidates: Sequence[Evaluated]) -> tuple[Evaluated, ...]:
    """The Pareto front: candidates that no other dominates in size, latency, energy and score.

    An unknown amount counts as the worst. Smallest file first; equal candidates are all in it.
    """
    indices = find_undominated([objective_values(item) for item in candidates])
    front = [candidates[index] for index in indices]
    return tuple(
        sorted(front, key=lambda item: (objective_values(item), candidate_key(item.candidate)))
    )


def objective_values(item: Evaluated) -> Objectives:
    """Size, latency, energy and the negative score: less is better in each."""
    cost = item.cost
    return (
        float(cost.size_bytes),
        math.inf if cost.latency_ms is None else cost.latency_ms,
        math.inf if cost.energy_mj is None else cost.energy_mj,
        math.inf if item.score is None else -item.score,
    )


def find_undominated(rows: Sequence[Objectives]) -> list[int]:
    """Indices of the rows that no other row dominates, in lexicographic order of the rows."""
    undominated: list[int] = []
    for index in sorted(range(len(rows)), key=lambda index: rows[index]):
        # What dominates a row sorts before it.
        if not any(_dominates(rows[better], rows[index]) for better in undominated):
            undominated.append(index)
    return undominated


def nearest_misses(
    candidates: Sequence[tuple[Evaluated, Sequence[Violation]]],
) -> tuple[Evaluated, ...]:
    """Up to NEAREST candidates that miss a budget by least, the smallest worst violation first.

    They are the Pareto front of the violations. Of candidates with equal violations, the one of
    the best score is taken, or else the largest file, which has most of the model left.
    """
    by_ratios: dict[Objectives, tuple[tuple[float, float, str], Evaluated]] = {}
    for item, violations in candidates:
        ratios, preferred = _ratios(violations), (_preference(item), item)
        by_ratios[ratios] = min(
            by_ratios.get(ratios, preferred), preferred, key=lambda pair: pair[0]
        )
    rows = list(by_ratios)
    front = [rows[index] for index in find_undominated(rows)]
    front.sort(key=lambda row: (max(row), sum(row), by_ratios[row][0]))
    return tuple(by_ratios[row][1] for row in front[:NEAREST])


def _preference(item: Evaluated) -> tuple[float, float, str]:
    size, _, _, score = objective_values(item)
    return score, -size, candidate_key(item.candidate)


def _ratios(violations: Sequence[Violation]) -> Objectives:
    ratios = {violation.name: violation.ratio for violation in violations}
    return tuple(ratios.get(name, 1.0) for name in LIMIT_FIELDS)


def _dominates(row: Objectives, rival: Objectives) -> bool:
    return row != rival and all(a <= b for a, b in zip(row, rival, strict=True))
