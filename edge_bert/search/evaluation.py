"""Building one candidate: its score first, then, if that will do, what it costs."""

from __future__ import annotations

import math
from typing import Any

from edge_bert.budget_text import describe_violations
from edge_bert.errors import VerificationError, WorkerError
from edge_bert.records.base import Record
from edge_bert.records.budget import below_score, exceeded_limits
from edge_bert.records.candidate import Candidate, CandidateCost, Evaluated, Gate, Score
from edge_bert.records.profile import Budget
from edge_bert.search.executors.jobs import Job
from edge_bert.search.problem import Problem, candidate_key

SCORE_DIGITS = 6  # beyond that, sums in another order differ


class Evaluation(Record, frozen=True):
    """What is known of a candidate whatever the budget: a line of the journal."""

    score: Score | None = None
    cost: CandidateCost | None = None
    failure: str | None = None


def evaluation_job(
    problem: Problem[Any], candidate: Candidate, known: Evaluation | None
) -> Job | None:
    """What is still to be found out of `candidate`; None when `known` says enough."""
    score = known.score if known else None
    if known and (known.failure or known.cost):
        return None
    if below_score(problem.budget, score):
        return None
    arguments = (
        problem.score,
        problem.cost,
        problem.context,
        candidate,
        score,
        problem.budget.min_score,
    )
    return Job(candidate_key(candidate), evaluate_candidate, arguments)


def evaluate_candidate(
    score: Any,
    cost: Any,
    context: Any,
    candidate: Candidate,
    known: float | None,
    min_score: float | None,
) -> Evaluation:
    """Score `candidate`, unless `known`; cost it where the score is not under `min_score`.

    What is wrong with the candidate itself becomes the finding; other errors are raised.
    """
    try:
        value = _score(score(context, candidate)) if known is None else known
        if below_score(Budget(min_score=min_score), value):
            return Evaluation(score=value)
        return Evaluation(score=value, cost=cost(context, candidate))
    except VerificationError as error:
        return Evaluation(score=known, failure=" ".join(str(error).split()))


def _score(value: float) -> float:
    if not (math.isfinite(value) and -1 <= value <= 1):
        raise VerificationError(f"its score is {value}, which is no number from -1 to 1")
    return round(float(value), SCORE_DIGITS)


def assess_candidate(
    budget: Budget, candidate: Candidate, bounds: CandidateCost, found: Evaluation | WorkerError
) -> Evaluated:
    """`candidate` with what was found of it, and where it was dropped and why."""
    size = CandidateCost(size_bytes=bounds.size_bytes)
    if isinstance(found, WorkerError):
        return Evaluated(candidate, size, gate=Gate.BUILD, rejected=str(found))
    if found.failure is not None:
        return Evaluated(candidate, size, found.score, Gate.BUILD, found.failure)
    cost, score = found.cost or size, found.score
    low = below_score(budget, score)
    if low:
        return Evaluated(candidate, cost, score, Gate.SCORE, describe_violations(low))
    over = exceeded_limits(budget, cost)
    if over:
        return Evaluated(candidate, cost, score, Gate.COST, describe_violations(over))
    return Evaluated(candidate, cost, score)
