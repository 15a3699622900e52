"""The cheapest constraints: bounds computed for every candidate, before any is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_bert.budget_text import describe_violations
from edge_bert.errors import InputError, VerificationError
from edge_bert.records.budget import LIMIT_FIELDS, Violation, exceeded_limits
from edge_bert.records.candidate import Candidate, CandidateCost, Constraint, Evaluated
from edge_bert.search.problem import Problem
from edge_bert.search.space import Point


@dataclass(frozen=True)
class FeasibleCandidate:
    """A candidate that may meet the budget, and its computed bounds."""

    point: Point
    candidate: Candidate
    bounds: CandidateCost


@dataclass(frozen=True)
class Prefiltered:
    """All candidates: those that may meet the budget, those whose bounds exceed it, and the rest.

    `unbuildable` are those of which `bounds` says that no file can be made.
    """

    feasible: tuple[FeasibleCandidate, ...]
    infeasible: tuple[tuple[Evaluated, tuple[Violation, ...]], ...]
    unbuildable: tuple[Evaluated, ...]

    @property
    def dropped(self) -> tuple[Evaluated, ...]:
        """All but the feasible candidates."""
        return (*self.unbuildable, *(item for item, _ in self.infeasible))


def prefilter_candidates(problem: Problem[Any]) -> Prefiltered:
    """Compute the bounds of every candidate and compare them with the budget.

    Raises InputError where no candidate can be built.
    """
    feasible, infeasible, unbuildable = [], [], []
    for point, candidate in problem.space.candidates().items():
        try:
            bounds = problem.bounds(problem.context, candidate)
        except VerificationError as error:
            unbuildable.append(_unbuildable(candidate, str(error)))
            continue
        violations = exceeded_limits(problem.budget, bounds, bound=True)
        if violations:
            infeasible.append((_infeasible(candidate, bounds, violations), violations))
        else:
            feasible.append(FeasibleCandidate(point, candidate, bounds))
    if not feasible and not infeasible:
        raise InputError(f"No candidate can be built: {unbuildable[0].rejected}")
    return Prefiltered(tuple(feasible), tuple(infeasible), tuple(unbuildable))


def _infeasible(
    candidate: Candidate, bounds: CandidateCost, violations: Sequence[Violation]
) -> Evaluated:
    return Evaluated(
        candidate,
        CandidateCost(size_bytes=bounds.size_bytes),
        constraint=Constraint.SIZE if violations[0].name == "size" else Constraint.BOUND,
        rejected=describe_violations(violations),
    )


def _unbuildable(candidate: Candidate, reason: str) -> Evaluated:
    # A file that cannot be made has no size; records want one above zero.
    return Evaluated(
        candidate, CandidateCost(size_bytes=1), constraint=Constraint.BUILD, rejected=reason
    )


def explain_infeasibility(
    infeasible: Sequence[tuple[Evaluated, Sequence[Violation]]],
) -> str:
    """Why no candidate is feasible: the limit that all exceed, or that none meets all limits."""
    for name in LIMIT_FIELDS:
        violations = [
            violation
            for _, exceeded in infeasible
            for violation in exceeded
            if violation.name == name
        ]
        if violations and len(violations) == len(infeasible):
            nearest = min(violations, key=lambda violation: violation.ratio)
            return (
                f"No candidate can meet the budget: the best has {describe_violations([nearest])}."
            )
    return "Every limit can be met alone, but no candidate can meet them all at once."
