"""The search: gates cheapest first, a surrogate that says what to build, a front of what was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert.errors import WorkerError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.budget import Violation, below_score, exceeded_limits
from edge_bert.records.candidate import Evaluated, SearchResult
from edge_bert.records.profile import Budget
from edge_bert.search import acquisition, journal, journaled_jobs, pareto, prefilter
from edge_bert.search.evaluation import Evaluation, assess_candidate, evaluation_job
from edge_bert.search.executors.jobs import Executor, Outcome
from edge_bert.search.journal import Journal
from edge_bert.search.prefilter import FeasibleCandidate, Prefiltered
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
    """The candidate of `problem` that scores best within its budget, and what else was found.

    What is evaluated is kept in the journal at `path`: the same call goes on after an interruption
    and gives what it would have given without one. The result depends on the problem and the
    effort, not on the executor. A budget that computed bounds rule out ends at once, with nothing
    built. Raises InputError for a journal of another problem and what `score` and `cost` raise.
    """
    sifted = prefilter.prefilter_candidates(problem)
    dropped = len(sifted.dropped)
    progress(f"{len(sifted.open)} candidates may meet the budget, {dropped} cannot")
    if not sifted.open:
        return _infeasible(problem.budget, effort, sifted)
    with journal.open_journal(path, problem.key, Evaluation) as kept:
        evaluated = _Search(problem, executor, kept, effort, progress, sifted.open).run()
    return _result(problem.budget, effort, sifted, evaluated)


def infeasible_result(
    problem: Problem[Any], *, effort: SearchEffort = DEFAULT_EFFORT
) -> SearchResult | None:
    """What `search` gives where computed bounds rule every candidate out; None where they do not.

    Nothing is built and no journal is written.
    """
    sifted = prefilter.prefilter_candidates(problem)
    return None if sifted.open else _infeasible(problem.budget, effort, sifted)


class _Search:
    """One search under way: the open candidates and the verdicts on those that were built."""

    def __init__(
        self,
        problem: Problem[Any],
        executor: Executor,
        kept: Journal[Evaluation],
        effort: SearchEffort,
        progress: Progress,
        candidates: Sequence[FeasibleCandidate],
    ) -> None:
        self._problem, self._executor, self._journal = problem, executor, kept
        self._effort, self._progress, self._open = effort, progress, candidates
        self._total = count_evaluations(effort, len(candidates))
        self._points = np.array([each.point for each in candidates])
        self._bytes = np.array([float(each.bounds.size_bytes) for each in candidates])
        self._verdicts: dict[int, Evaluated] = {}

    def run(self) -> list[Evaluated]:
        """Build as many candidates as the effort allows, in the order of their proposal."""
        sizes = self._problem.space.sizes
        self._build(
            acquisition.starting_points(self._points, sizes, self._total, self._effort.seed)
        )
        while len(self._verdicts) < self._total:
            count = min(batch_size(self._effort, self._total), self._total - len(self._verdicts))
            arguments = (self._points, sizes, self._bytes, self._seen(), count, self._effort.seed)
            self._build(acquisition.propose_points(*arguments))
        return list(self._verdicts.values())

    def _build(self, places: Sequence[int]) -> None:
        """Find out what is not known of the candidates at `places`, and judge them."""
        chosen = [self._open[place] for place in places]
        known = self._journal.known
        keys = [candidate_key(each.candidate) for each in chosen]
        jobs = [
            evaluation_job(self._problem, each.candidate, known.get(key))
            for each, key in zip(chosen, keys, strict=True)
        ]
        failed = journaled_jobs.complete_jobs(
            [each for each in jobs if each], self._executor, self._journal, self._tell
        )
        for error in failed.values():
            if not isinstance(error, WorkerError):
                raise error
        for place, each, key in zip(places, chosen, keys, strict=True):
            lost = failed.get(key)
            found = lost if isinstance(lost, WorkerError) else known[key]
            self._verdicts[place] = assess_candidate(
                self._problem.budget, each.candidate, each.bounds, found
            )

    def _tell(self, outcome: Outcome) -> None:
        found = outcome.error or outcome.value.failure or f"score {outcome.value.score:.4f}"
        self._progress(f"{outcome.key[:8]} of up to {self._total}: {found}")

    def _seen(self) -> acquisition.Seen:
        budget = self._problem.budget
        verdicts = list(self._verdicts.values())
        limits = {
            "latency_ms": budget.latency_ms,
            "energy_mj": budget.energy_mj,
            "peak_ram_bytes": budget.peak_ram_bytes,
        }
        names = [name for name, limit in limits.items() if limit is not None]
        costs = [[getattr(each.cost, name) for name in names] for each in verdicts]
        return acquisition.Seen(
            places=tuple(self._verdicts),
            scores=np.array([each.score for each in verdicts], np.float64),
            costs=np.array(costs, np.float64).reshape(len(verdicts), len(names)),
            limits=np.array([limits[name] for name in names], np.float64),
            min_score=budget.min_score,
            feasible=tuple(each.rejected is None for each in verdicts),
        )


def _infeasible(budget: Budget, effort: SearchEffort, sifted: Prefiltered) -> SearchResult:
    return SearchResult(
        budget=budget,
        seed=effort.seed,
        chosen=None,
        reason=prefilter.why_none(sifted.over),
        front=(),
        nearest=pareto.nearest_misses(sifted.over),
        evaluated=(),
        dropped=sifted.dropped,
        untried=0,
    )


def _result(
    budget: Budget, effort: SearchEffort, sifted: Prefiltered, evaluated: Sequence[Evaluated]
) -> SearchResult:
    kept = [each for each in evaluated if each.rejected is None]
    built = [each for each in evaluated if each.score is not None]
    chosen = min(kept, key=_rank, default=None)
    return SearchResult(
        budget=budget,
        seed=effort.seed,
        chosen=chosen,
        reason=_reason(chosen, len(kept), len(evaluated)),
        front=pareto.pareto_front(kept or built),
        nearest=()
        if chosen
        else pareto.nearest_misses([(each, _misses(budget, each)) for each in built]),
        evaluated=tuple(evaluated),
        dropped=sifted.dropped,
        untried=len(sifted.open) - len(evaluated),
    )


def _rank(each: Evaluated) -> tuple[object, ...]:
    """Best score first; of equal ones the fastest, then the most frugal, then the smallest."""
    size, latency, energy, score = pareto.objective_values(each)
    return score, latency, energy, size, candidate_key(each.candidate)


def _misses(budget: Budget, each: Evaluated) -> tuple[Violation, ...]:
    return (*exceeded_limits(budget, each.cost), *below_score(budget, each.score))


def _reason(chosen: Evaluated | None, kept: int, evaluated: int) -> str:
    if chosen is None:
        return f"None of the {evaluated} candidates that were built meets the budget."
    return (
        f"The best score, {chosen.score:.4f}, of the {kept} candidates that meet the budget, "
        f"of {evaluated} that were built."
    )
