"""The search for the candidate of a model that scores best within a budget, kept in the cache."""

from __future__ import annotations

import msgspec

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.data.calibration import digest_sentences
from edge_bert.data.sentence_files import read_sentences
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.bench.emulated import open_counter
from edge_bert.pipeline.build.absolute_options import make_absolute
from edge_bert.pipeline.build.running.run_signatures import run_signatures
from edge_bert.pipeline.build.scoring.score_labels import score_model
from edge_bert.pipeline.sizing import worker
from edge_bert.pipeline.sizing.cost_bounds import bound_cost
from edge_bert.pipeline.sizing.search_space import (
    ROOM,
    measured_space,
    outline_space,
    trained_space,
)
from edge_bert.pipeline.sizing.session import PRUNING_CODE, SizingSession
from edge_bert.pipeline.sizing.worker import SearchContext
from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.apply_recipe import apply_integer_recipe, apply_weight_recipe
from edge_bert.records.candidate import SearchResult
from edge_bert.records.profile import Budget
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.problem import Problem
from edge_bert.search.search import infeasible_result, run_search
from edge_bert.search.space import Space
from edge_bert.sources.onnx.load import load_onnx
from edge_bert.store.cache import cache_folder
from edge_bert.store.cached import Functions, cache_key

# Whose code decides what a candidate is, scores and costs.
SEARCH_CODE: Functions = (
    *PRUNING_CODE,
    convert_to_tflite,
    load_onnx,
    apply_weight_recipe,
    apply_integer_recipe,
    run_signatures,
    score_model,
    measure_drift,
    open_counter,
)


def search_candidates(sizing: SizingSession, progress: Progress = no_progress) -> SearchResult:
    """The search alone; what it evaluates is kept in the cache and used again.

    Of a super-network the candidates are its sub-networks, and nothing of the model is measured. A
    budget that no candidate can meet ends it before anything is measured.
    """
    session, options = sizing.build, sizing.build.options
    impossible = rule_out_budget(sizing)
    if impossible:
        return impossible
    if sizing.supernet is not None:
        progress("candidates are the sub-networks that were trained")
        space = trained_space(sizing, sizing.supernet)
    else:
        space = measured_space(sizing, sizing.pruning_stats(progress))
    problem = _problem(sizing, space, session.profile.budget, _search_key(sizing))
    worker.hold_session(problem.context, sizing)
    journal = cache_folder("searches") / f"{problem.key}.jsonl"
    with open_executor(workers=options.workers, scheduler=options.scheduler) as executor:
        return run_search(problem, executor, journal, effort=options.effort, progress=progress)


def rule_out_budget(sizing: SizingSession) -> SearchResult | None:
    """The result of a search whose candidates are all ruled out by the numbers of the model alone.

    Those that it names have their heads and neurons shared out evenly. None where a candidate may
    meet the budget, or where that cannot be told without measuring.
    """
    budget, effort = sizing.build.profile.budget, sizing.build.options.effort
    if sizing.supernet is not None:
        space = trained_space(sizing, sizing.supernet)
        return infeasible_result(_problem(sizing, space, budget), effort=effort)
    outline = outline_space(sizing)
    if outline is None:
        return None
    size = budget.size_bytes and ROOM * budget.size_bytes
    roomy = msgspec.structs.replace(budget, size_bytes=size)
    if infeasible_result(_problem(sizing, outline, roomy)) is None:
        return None
    return infeasible_result(_problem(sizing, outline, budget), effort=effort)


def _problem(
    sizing: SizingSession, space: Space, budget: Budget, key: str = ""
) -> Problem[SearchContext]:
    """Without a `key` nothing may be built: only bounds are looked at."""
    return Problem(
        key=key,
        space=space,
        budget=budget,
        context=SearchContext(make_absolute(sizing.build.options), key),
        bounds=lambda _, candidate: bound_cost(sizing.build, candidate),  # never leaves the process
        score=worker.score,
        cost=worker.cost,
    )


def _search_key(sizing: SizingSession) -> str:
    """All that a candidate's score and cost depend on beside itself."""
    session, supernet = sizing.build, sizing.supernet
    options, profile = session.options, session.profile
    device = msgspec.structs.replace(profile, budget=Budget())
    corpus = read_sentences(options.corpus) if options.corpus else []
    inputs = [
        session.checkpoint.sha256,
        session.calibration.info,
        list(map(msgspec.json.encode, session.evaluation_sets)),
        msgspec.json.encode(device),
        (profile.budget.latency_length, session.lengths, options.emulate, options.float_output),
        digest_sentences(corpus),
        options.rounding.value,
        "" if supernet is None else supernet.weights_sha256,  # pruned, or cut from these
    ]
    return cache_key("search", inputs, code=SEARCH_CODE)
