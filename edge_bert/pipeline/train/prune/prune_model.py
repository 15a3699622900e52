"""Pruning as a job: a model and texts in, the folder of a smaller one out."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.compress.prune.allocate_sparsity import ErrorCurves, plan_structure
from edge_bert.compress.prune.layers import rank_layers
from edge_bert.compress.prune.structure_path import plan_path, whole_structure
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.compress.train.prune.prune_steps import PrunedEncoder, PruningPlan, prune_in_steps
from edge_bert.compress.train.prune.rank_units import (
    list_sentences,
    measure_error_curves,
    rank_units,
)
from edge_bert.devices.emulator import cpu_files
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.errors import InputError
from edge_bert.pipeline.train.options import PruneOptions
from edge_bert.pipeline.train.prune.pruning_goal import (
    PruningGoal,
    choose_goal,
    importance_kind,
)
from edge_bert.pipeline.train.prune.pruning_job import PruningJob, open_pruning
from edge_bert.pipeline.train.trained_model import TrainedModel, write_trained_model
from edge_bert.progress import Progress
from edge_bert.records.base import Record
from edge_bert.records.candidate import Structure
from edge_bert.store.content_store import write_atomic
from edge_bert.store.sealed_json import read_sealed, seal_json

CURVE_SENTENCES = 64  # held out; error curves and layers are measured on them
PATH_FILE = "path.json"


class PlannedPath(Record, frozen=True):
    """The structures of a run's steps, and the modelled latency of the last where it counts."""

    structures: tuple[Structure, ...]
    latency_ms: float | None = None


def prune_model(options: PruneOptions, report: Report = no_report) -> TrainedModel:
    """Prune a model in steps, recover it after each, and write its folder.

    The same command again goes on where it was cut short, and changes nothing where it had ended.
    Raises InputError, DataError and ModelError for options, texts and models that are not usable,
    BudgetError for a latency that is out of reach, and what training raises.
    """
    goal = choose_goal(options)
    job = open_pruning(options, goal, report)
    if goal is PruningGoal.SPARSITY:
        from edge_bert.pipeline.train.prune.sparsify_model import sparsify_model

        return sparsify_model(job, report)
    return _prune_structure(job, goal, report, lambda message: report(StageStatus(message)))


def _prune_structure(
    job: PruningJob, goal: PruningGoal, report: Report, progress: Progress
) -> TrainedModel:
    options = job.options
    folder = job.work_folder(_goal_inputs(options))
    started = time.monotonic()
    planned = _plan_or_read(job, goal, folder, progress)
    planning = time.monotonic() - started
    plan = PruningPlan(
        unpruned=job.weights,
        path=planned.structures,
        importance=importance_kind(options.importance),
        settings=options.settings,
        final_epochs=options.final_epochs,
        losses=job.losses,
    )
    pruned = prune_in_steps(plan, job.trained, job.held_out, folder, report, progress)
    return _write_model(job, pruned, planned, planning)


def _write_model(
    job: PruningJob, pruned: PrunedEncoder, planned: PlannedPath, planning: float
) -> TrainedModel:
    seconds = planning + sum(step.seconds for step in pruned.steps)
    run = job.describe_run("pruning", pruned.weights, pruned.curve, seconds)
    run = msgspec.structs.replace(
        run,
        structure=planned.structures[-1],
        pruning=pruned.steps,
        latency_ms=planned.latency_ms,
        scaled_to=_scaled_to(job.options),
    )
    return write_trained_model(job.options.folder, pruned.weights, job.checkpoint, run)


def _goal_inputs(options: PruneOptions) -> list[object]:
    return [
        f"{options.neurons} {options.heads} {options.layers}",
        f"{options.max_latency} {options.profile} {_scaled_to(options)}".strip(),
        f"{options.importance} {options.steps} {options.final_epochs}",
    ]


def _scaled_to(options: PruneOptions) -> str:
    """The measured phone that latencies of the profile are scaled to; empty without a limit."""
    if not (options.max_latency and options.profile):
        return ""
    return cpu_files.find_cluster(profiles.load_profile(options.profile), None).scaled_to


def _plan_or_read(
    job: PruningJob, goal: PruningGoal, folder: Path, progress: Progress
) -> PlannedPath:
    """The path of the run, from its folder where it was planned before.

    What importance says differs in its last bits from run to run on several threads.
    """
    file = folder / PATH_FILE
    if file.is_file():
        try:
            return read_sealed(file.read_bytes(), PlannedPath)
        except (ValueError, RecursionError):
            progress(f"{file} is damaged; the path is planned anew")
    planned = _plan_structures(job, goal, progress)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(file, seal_json(planned))
    return planned


def _plan_structures(job: PruningJob, goal: PruningGoal, progress: Progress) -> PlannedPath:
    options, weights, trained = job.options, job.weights, job.trained
    sentences = list_sentences(job.held_out.texts.spread(CURVE_SENTENCES), weights.input_names)
    kind = importance_kind(options.importance)
    ranked = rank_units(kind, weights, trained.texts, trained.labels, options.seed, progress)
    curves = measure_error_curves(ranked, weights, sentences, progress)
    latency, ranking = None, _rank_layers(job, sentences, progress)
    if goal is PruningGoal.LATENCY:
        from edge_bert.pipeline.train.prune.fit_latency import fit_latency

        final, latency = fit_latency(options, curves, progress)
    else:
        final = _choose_structure(job, curves, ranking)
    return PlannedPath(plan_path(weights.config, final, ranking, options.steps), latency)


def _rank_layers(
    job: PruningJob, sentences: list[Sentence], progress: Progress
) -> tuple[tuple[int, ...], ...]:
    """The best layers of each number, as far as some go."""
    present = job.weights.config.layers
    if job.options.layers in (None, present):
        return (tuple(range(present)),)
    return rank_layers(job.weights, sentences, progress)


def _choose_structure(
    job: PruningJob, curves: ErrorCurves, ranking: tuple[tuple[int, ...], ...]
) -> Structure:
    """The structure that the shares of the options say; InputError where it keeps all."""
    options, config = job.options, job.weights.config
    layers = ranking[config.layers - (options.layers or config.layers)]
    shares = (options.heads or 1.0, options.neurons or 1.0)
    structure = plan_structure(curves, layers, *shares, config.vocabulary)
    if structure == whole_structure(config):
        raise InputError(
            f"{_describe_shares(options)} of this model are all that it has; give less."
        )
    return structure


def _describe_shares(options: PruneOptions) -> str:
    shares = {"neurons": options.neurons, "heads": options.heads}
    return " and ".join(f"{share:.4%} of its {name}" for name, share in shares.items() if share)
