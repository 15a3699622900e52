"""The search for the candidate of a model that scores best within a budget, kept in the cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.pipeline.sizing import cost_bounds, evaluate_candidate
from edge_bert.pipeline.sizing.pruning_stats import pruning_stats
from edge_bert.pipeline.sizing.search_space import ROOM, outline_of, space_of
from edge_bert.progress import Progress
from edge_bert.records.candidate import SearchResult
from edge_bert.records.profile import Budget
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.problem import Problem, SearchEffort
from edge_bert.search.search import infeasible_result, run_search
from edge_bert.search.space import Space
from edge_bert.store import cache, content_store
from edge_bert.store.digest import sha256_hex

# Whose code decides what a candidate is, scores and costs.
STAGES = (
    "compress",
    "data",
    "evaluate",
    "encoder",
    "convert",
    "estimate",
    "formats",
    "measure",
    "quantize",
    "devices",
    "runtimes",
)
EVALUATIONS = 20  # each takes half a minute to a minute of one processor


@dataclass(frozen=True)
class SearchConfig:
    """How a search is run: its effort, and on how many processes or on which Dask cluster."""

    effort: SearchEffort = field(default_factory=lambda: SearchEffort(evaluations=EVALUATIONS))
    workers: int = 1
    scheduler: str | None = None


DEFAULT_CONFIG = SearchConfig()


def search_candidates(
    asked: BuildOptions, budget: Budget, means: SearchConfig, progress: Progress
) -> SearchResult:
    """The search alone; what it evaluates is kept in the cache and used again.

    A budget that no candidate can meet ends it before anything is measured.
    """
    impossible = ruled_out(asked, budget, means.effort)
    if impossible:
        return impossible
    asked = with_content(asked)
    problem = _problem(asked, space_of(asked, pruning_stats(asked, progress)), budget)
    journal = cache.cache_folder("searches") / f"{problem.key}.jsonl"
    with open_executor(workers=means.workers, scheduler=means.scheduler) as workers:
        return run_search(problem, workers, journal, effort=means.effort, progress=progress)


def with_content(asked: BuildOptions) -> BuildOptions:
    """`asked` for processes that live on, which must tell it from an older one of equal words."""
    return msgspec.structs.replace(asked, content=asked.content or _key(asked))


def ruled_out(asked: BuildOptions, budget: Budget, effort: SearchEffort) -> SearchResult | None:
    """What a search would end with, if the numbers of the model alone rule out all candidates.

    Those that it names have their heads and neurons shared out evenly. None where a candidate may
    meet the budget, or where that cannot be told without measuring.
    """
    outline = outline_of(asked)
    if outline is None:
        return None
    size = budget.size_bytes and ROOM * budget.size_bytes
    roomy = msgspec.structs.replace(budget, size_bytes=size)
    if infeasible_result(_problem(asked, outline, roomy)) is None:
        return None
    return infeasible_result(_problem(asked, outline, budget), effort=effort)


def _problem(asked: BuildOptions, space: Space, budget: Budget) -> Problem[BuildOptions]:
    return Problem(
        key=_key(asked),
        space=space,
        budget=budget,
        context=asked,
        bounds=cost_bounds.bound_cost,
        score=evaluate_candidate.score_candidate,
        cost=evaluate_candidate.measure_cost,
    )


def _key(asked: BuildOptions) -> str:
    """All that a candidate's score and cost depend on beside itself."""
    request = open_session(asked)
    device = msgspec.structs.replace(request.profile, budget=Budget())
    code = content_store.source_digest(*(artifacts.PACKAGE / stage for stage in STAGES))
    length = request.profile.budget.latency_length
    corpus = Path(asked.corpus).read_bytes() if asked.corpus else b""
    return content_store.key_of(
        request.checkpoint.sha256,
        request.calibration.info,
        [msgspec.json.encode(each) for each in request.data],
        msgspec.json.encode(device),
        (length, request.lengths, asked.emulates, asked.float_output, sha256_hex(corpus)),
        code,
        artifacts.tool_versions(),
    )
