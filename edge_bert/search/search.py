"""The search: computed constraints first, then Bayesian optimization of what is built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert.errors import WorkerError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.budget import LIMIT_FIELDS, below_score, budget_limits, exceeded_limits
from edge_bert.records.candidate import Evaluated, SearchResult
from edge_bert.records.profile import Budget
from edge_bert.search import acquisition, pareto
from edge_bert.search.evaluation import Evaluation, assess_candidate, evaluation_job
from edge_bert.search.executors.jobs import Executor, Outcome
from edge_bert.search.journal import Journal, open_journal
from edge_bert.search.journaled_jobs import complete_jobs
from edge_bert.search.prefilter import (
    FeasibleCandidate,
    Prefiltered,
    explain_infeasibility,
    prefilter_candidates,
)
from edge_bert.search.problem import (
    Problem,
    SearchEffort,
    batch_size,
    candidate_key,
    count_evaluations,
)

DEFAULT_EFFORT = SearchEffort()


def run_search(
    problem: Problem[Any],
    executor: Executor,
    path: Path,
    *,
    effort: SearchEffort = DEFAULT_EFFORT,
    progress: Progress = no_progress,
) -> SearchResult:
    """The candidate of `problem` with the best score within its budget, and all that was evaluated.

    Evaluations are kept in the journal at `path`: after an interruption, the same call goes on and
    gives the same result. The result depends on the problem and the effort, not on the executor.
    Where computed bounds rule out the budget, nothing is built. Raises InputError for the journal
    of another problem, and what `score` and `cost` raise.
    """
    prefiltered = prefilter_candidates(problem)
    feasible, dropped = prefiltered.feasible, prefiltered.dropped
    progress(f"{len(feasible)} candidates may meet the budget, {len(dropped)} cannot")
    if not feasible:
        return _infeasible(problem.budget, effort, prefiltered)
    with open_journal(path, problem.key, Evaluation, progress) as journal:
        evaluated = _Search(problem, executor, journal, effort, progress, feasible).run()
    return _result(problem.budget, effort, prefiltered, evaluated)


def infeasible_result(
    problem: Problem[Any], *, effort: SearchEffort = DEFAULT_EFFORT
) -> SearchResult | None:
    """The result of `run_search` where computed bounds rule out every candidate; else None.

    Nothing is built and no journal is written.
    """
    prefiltered = prefilter_candidates(problem)
    return None if prefiltered.feasible else _infeasible(problem.budget, effort, prefiltered)


class _Search:
    """A running search: the feasible candidates, and those of them that were evaluated."""

    def __init__(
        self,
        problem: Problem[Any],
        executor: Executor,
        journal: Journal[Evaluation],
        effort: SearchEffort,
        progress: Progress,
        candidates: Sequence[FeasibleCandidate],
    ) -> None:
        self._problem, self._executor, self._journal = problem, executor, journal
        self._effort, self._progress, self._candidates = effort, progress, candidates
        self._total = count_evaluations(effort, len(candidates))
        self._points = np.array([item.point for item in candidates])
        self._bytes = np.array([float(item.bounds.size_bytes) for item in candidates])
        self._evaluated: dict[int, Evaluated] = {}

    def run(self) -> list[Evaluated]:
        """Evaluate as many candidates as the effort allows, in the order of their proposal."""
        points, sizes, seed = self._points, self._problem.space.sizes, self._effort.seed
        self._evaluate(acquisition.initial_points(points, sizes, self._total, seed))
        while remaining := self._total - len(self._evaluated):
            count = min(batch_size(self._effort, self._total), remaining)
            observed = self._observations()
            self._evaluate(
                acquisition.propose_points(points, sizes, self._bytes, observed, count, seed)
            )
        return list(self._evaluated.values())

    def _evaluate(self, indices: Sequence[int]) -> None:
        """Build the candidates at `indices` as far as the journal lacks them, and assess them."""
        candidates = [self._candidates[index] for index in indices]
        keys = [candidate_key(item.candidate) for item in candidates]
        recorded = self._journal.values
        jobs = [
            evaluation_job(self._problem, item.candidate, recorded.get(key))
            for item, key in zip(candidates, keys, strict=True)
        ]
        failed = complete_jobs(
            [job for job in jobs if job], self._executor, self._journal, self._report
        )
        for error in failed.values():
            if not isinstance(error, WorkerError):
                raise error
        for index, item, key in zip(indices, candidates, keys, strict=True):
            failure = failed.get(key)
            evaluation = failure if isinstance(failure, WorkerError) else recorded[key]
            self._evaluated[index] = assess_candidate(
                self._problem.budget, item.candidate, item.bounds, evaluation
            )

    def _report(self, outcome: Outcome) -> None:
        text = outcome.error or outcome.value.failure or f"score {outcome.value.score:.4f}"
        self._progress(f"{outcome.key[:8]} of up to {self._total}: {text}")

    def _observations(self) -> acquisition.Observations:
        budget, evaluated = self._problem.budget, list(self._evaluated.values())
        limits = {
            LIMIT_FIELDS[name]: limit
            for name, limit in budget_limits(budget).items()
            if name in ("latency", "energy", "memory")
        }
        costs = [[getattr(item.cost, field) for field in limits] for item in evaluated]
        return acquisition.Observations(
            indices=tuple(self._evaluated),
            scores=np.array([item.score for item in evaluated], np.float64),
            costs=np.array(costs, np.float64).reshape(len(evaluated), len(limits)),
            limits=np.array(list(limits.values()), np.float64),
            min_score=budget.min_score,
            feasible=tuple(item.rejected is None for item in evaluated),
        )


def _infeasible(budget: Budget, effort: SearchEffort, prefiltered: Prefiltered) -> SearchResult:
    return SearchResult(
        budget=budget,
        seed=effort.seed,
        chosen=None,
        reason=explain_infeasibility(prefiltered.infeasible),
        front=(),
        nearest=pareto.nearest_misses(prefiltered.infeasible),
        evaluated=(),
        dropped=prefiltered.dropped,
        untried=0,
    )


def _result(
    budget: Budget, effort: SearchEffort, prefiltered: Prefiltered, evaluated: Sequence[Evaluated]
) -> SearchResult:
    feasible = [item for item in evaluated if item.rejected is None]
    scored = [item for item in evaluated if item.score is not None]
    chosen = min(feasible, key=_rank, default=None)
    violations = [
        (item, (*exceeded_limits(budget, item.cost), *below_score(budget, item.score)))
        for item in scored
    ]
    return SearchResult(
        budget=budget,
        seed=effort.seed,
        chosen=chosen,
        reason=_reason(chosen, len(feasible), len(evaluated)),
        front=pareto.pareto_front(feasible or scored),
        nearest=() if chosen else pareto.nearest_misses(violations),
        evaluated=tuple(evaluated),
        dropped=prefiltered.dropped,
        untried=len(prefiltered.feasible) - len(evaluated),
    )


def _rank(item: Evaluated) -> tuple[object, ...]:
    """Best score first; ties go to the least latency, then energy, then size."""
    size, latency, energy, score = pareto.objective_values(item)
    return score, latency, energy, size, candidate_key(item.candidate)


def _reason(chosen: Evaluated | None, feasible: int, evaluated: int) -> str:
    if chosen is None:
        return f"None of the {evaluated} candidates that were built meets the budget."
    return (
        f"The best score, {chosen.score:.4f}, of the {feasible} candidates that meet the budget, "
        f"of {evaluated} that were built."
    )
