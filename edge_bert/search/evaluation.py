"""Evaluating one candidate: its score first, then its cost where the score is high enough."""

from __future__ import annotations

import math
from typing import Any

from edge_bert.budget_text import describe_violations
from edge_bert.errors import VerificationError, WorkerError
from edge_bert.records.base import Record
from edge_bert.records.budget import below_score, exceeded_limits
from edge_bert.records.candidate import Candidate, CandidateCost, Constraint, Evaluated, Score
from edge_bert.records.profile import Budget
from edge_bert.search.executors.jobs import Job
from edge_bert.search.problem import Problem, candidate_key

SCORE_DIGITS = 6  # beyond that, sums in another order differ


class Evaluation(Record, frozen=True):
    """A candidate's score and cost, or why it failed, whatever the budget: a journal's value."""

    score: Score | None = None
    cost: CandidateCost | None = None
    failure: str | None = None


def evaluation_job(
    problem: Problem[Any], candidate: Candidate, recorded: Evaluation | None
) -> Job | None:
    """The job that completes the `recorded` evaluation; None where nothing is missing."""
    score = recorded.score if recorded else None
    if recorded and (recorded.failure or recorded.cost):
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
    known_score: float | None,
    min_score: float | None,
) -> Evaluation:
    """Score `candidate`, unless its score is known; cost it where that is not below `min_score`.

    A VerificationError is the candidate's own fault and becomes its failure; others are raised.
    """
    try:
        value = _checked_score(score(context, candidate)) if known_score is None else known_score
        if below_score(Budget(min_score=min_score), value):
            return Evaluation(score=value)
        return Evaluation(score=value, cost=cost(context, candidate))
    except VerificationError as error:
        return Evaluation(score=known_score, failure=" ".join(str(error).split()))


def _checked_score(value: float) -> float:
    if not (math.isfinite(value) and -1 <= value <= 1):
        raise VerificationError(f"its score is {value}, not a number from -1 to 1")
    return round(float(value), SCORE_DIGITS)


def assess_candidate(
    budget: Budget,
    candidate: Candidate,
    bounds: CandidateCost,
    evaluation: Evaluation | WorkerError,
) -> Evaluated:
    """`candidate` with its evaluation, and the first constraint that it violates."""
    size = CandidateCost(size_bytes=bounds.size_bytes)
    if isinstance(evaluation, WorkerError):
        return Evaluated(candidate, size, constraint=Constraint.BUILD, rejected=str(evaluation))
    score = evaluation.score
    if evaluation.failure is not None:
        return Evaluated(candidate, size, score, Constraint.BUILD, evaluation.failure)
    cost = evaluation.cost or size
    if low := below_score(budget, score):
        return Evaluated(candidate, cost, score, Constraint.SCORE, describe_violations(low))
    if exceeded := exceeded_limits(budget, cost):
        return Evaluated(candidate, cost, score, Constraint.COST, describe_violations(exceeded))
    return Evaluated(candidate, cost, score)
