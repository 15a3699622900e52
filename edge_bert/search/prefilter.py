"""The cheapest gate: what can be computed of every candidate, before any is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_bert.budget_text import describe_violations
from edge_bert.errors import InputError, VerificationError
from edge_bert.records.budget import LIMIT_FIELDS, Violation, exceeded_limits
from edge_bert.records.candidate import Candidate, CandidateCost, Evaluated, Gate
from edge_bert.search.problem import Problem
from edge_bert.search.space import Point


@dataclass(frozen=True)
class FeasibleCandidate:
    """A candidate that may meet the budget, and its computed cost."""

    point: Point
    candidate: Candidate
    bounds: CandidateCost


@dataclass(frozen=True)
class Prefiltered:
    """Every candidate: open, over the budget by what was computed, or impossible to build."""

    open: tuple[FeasibleCandidate, ...]
    over: tuple[tuple[Evaluated, tuple[Violation, ...]], ...]
    impossible: tuple[Evaluated, ...]

    @property
    def dropped(self) -> tuple[Evaluated, ...]:
        """All that are not open."""
        return (*self.impossible, *(each for each, _ in self.over))


def prefilter_candidates(problem: Problem[Any]) -> Prefiltered:
    """Compute the bounds of every candidate and hold them against the budget."""
    left, over, impossible = [], [], []
    for point, candidate in problem.space.candidates().items():
        try:
            bounds = problem.bounds(problem.context, candidate)
        except VerificationError as error:
            impossible.append(_impossible(candidate, str(error)))
            continue
        misses = exceeded_limits(problem.budget, bounds, bound=True)
        if misses:
            size = CandidateCost(size_bytes=bounds.size_bytes)
            gate = Gate.SIZE if misses[0].name == "size" else Gate.BOUND
            dropped = Evaluated(candidate, size, gate=gate, rejected=describe_violations(misses))
            over.append((dropped, misses))
        else:
            left.append(FeasibleCandidate(point, candidate, bounds))
    if not left and not over:
        raise InputError(f"No candidate can be built: {impossible[0].rejected}")
    return Prefiltered(tuple(left), tuple(over), tuple(impossible))


def _impossible(candidate: Candidate, why: str) -> Evaluated:
    # A file that cannot be has no size; records want one above zero.
    return Evaluated(candidate, CandidateCost(size_bytes=1), gate=Gate.BUILD, rejected=why)


def why_none(over: Sequence[tuple[Evaluated, Sequence[Violation]]]) -> str:
    """Why no candidate is open: the limit that none meets, or that none meets them all."""
    for name in LIMIT_FIELDS:
        found = [miss for _, misses in over for miss in misses if miss.name == name]
        if found and len(found) == len(over):
            least = min(found, key=lambda miss: miss.ratio)
            return f"No candidate can meet the budget: the best has {describe_violations([least])}."
    return "Every limit can be met alone, but no candidate can meet them all at once."
