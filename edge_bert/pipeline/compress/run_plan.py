"""A plan as a job: its steps one after the other, and what each of them gave and cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.compress.build_end import EndChoice, build_end, is_current
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.plan_keys import digest_steps
from edge_bert.pipeline.compress.plan_lengths import choose_calibration, split_lengths
from edge_bert.pipeline.compress.plan_recipes import (
    check_token_recipes,
    choose_end_recipe,
    list_recipes,
)
from edge_bert.pipeline.compress.scoring import Scoring, open_scoring
from edge_bert.pipeline.compress.step_effect import (
    FileChoice,
    MeasuredModel,
    describe_basis,
    measure_effect,
)
from edge_bert.pipeline.compress.step_jobs import JOBS, PlannedStep, check_head, check_layers
from edge_bert.pipeline.train.folder.run_record import (
    COMPRESSION_FILE,
    write_compression,
    write_plan_place,
)
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    hold_name,
    write_trained_model,
)
from edge_bert.progress import Progress
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.records.plan import FORMAT_VERSION, Compression, EffectBasis, Plan, StepEffect
from edge_bert.records.recipe import FLOAT32
from edge_bert.records.training import PlanPlace
from edge_bert.sources.trained_bits import read_trained_bits
from edge_bert.sources.training_run import read_training_run
from edge_bert.store.os_faults import describe_os_error
from edge_bert.store.sealed_json import read_sealed
from edge_bert.text import one_line

TUNES = "train"  # the kind of step that makes nothing smaller


@dataclass(frozen=True)
class PlanRun:
    """A plan that is known to be usable, its steps with their options, and its name."""

    options: CompressOptions
    plan: Plan
    name: str
    steps: Sequence[PlannedStep]


@dataclass(frozen=True)
class _Job:
    """What all steps share: the source, how models are built and scored, in which recipe each is,
    which one the plan ends in, and the keys of the results."""

    run: PlanRun
    source: BuildSession
    files: FileChoice
    recipes: Sequence[str]
    end_recipe: str
    scoring: Scoring
    basis: EffectBasis
    keys: Sequence[str]
    progress: Progress


def run_plan(run: PlanRun, report: Report = no_report) -> Compression:
    """Take the steps of a plan, measure each, write the last one's folder, and build its bundle.

    The same command again goes on in the step that it was stopped in; steps before one that was
    changed are not taken again. Raises what the steps' jobs and a build raise, InputError for a
    record of an earlier run that is damaged.
    """
    check_name(run.options.name)
    job = _open_job(run, lambda message: report(StageStatus(message)))
    compression = _find_standing(job)
    if compression is None:
        compression = _take_plan(job, report)
    if not run.options.build or is_current(compression.built, run.options):
        return compression
    choice = EndChoice(run.options, job.files, job.end_recipe, job.scoring, _name_whole(run))
    built = build_end(choice, compression, job.progress)
    compression = msgspec.structs.replace(compression, built=built)
    write_compression(compression, run.options.folder)
    return compression


def _find_standing(job: _Job) -> Compression | None:
    """The record of a run that had all of this plan's steps, measured as they are now."""
    earlier = read_compression(job.run.options.folder)
    if earlier is None or earlier.format_version != FORMAT_VERSION:
        return None
    same = (earlier.digest, earlier.basis, earlier.plan.build) == (
        job.keys[-1],
        job.basis,
        job.run.plan.build,
    )
    return earlier if same else None


def _take_plan(job: _Job, report: Report) -> Compression:
    run = job.run
    source = _measure(job, job.source, MeasuredModel("source", "source"))
    taken = list(_take_steps(job, report))
    compression = Compression(
        format_version=FORMAT_VERSION,
        name=run.options.name,
        plan_name=run.name,
        plan=run.plan,
        digest=job.keys[-1],
        basis=job.basis,
        source=source,
        steps=tuple(effect for _, effect in taken),
        whole=_measure_whole(job),
    )
    _write_final(job, taken[-1][0], compression)
    return compression


def _name_whole(run: PlanRun) -> str | None:
    """The model before anything makes it smaller: the source, or what fine-tuning leaves of it."""
    tuned = list(itertools.takewhile(lambda step: step.kind == TUNES, run.steps))
    if not tuned:
        return run.options.model
    return str(run.options.step_folder(len(tuned), tuned[-1].kind))


def _measure_whole(job: _Job) -> StepEffect:
    session = job.files.open(_name_whole(job.run), FLOAT32.name)
    return _measure(job, session, MeasuredModel("whole model", "whole"))


def read_compression(folder: Path) -> Compression | None:
    """The record of an earlier run in `folder`, if there is one. InputError where it is damaged."""
    path = folder / COMPRESSION_FILE
    if not path.is_file():
        return None
    try:
        return read_sealed(path.read_bytes(), Compression)
    except OSError as error:
        raise describe_os_error(error) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged ({one_line(error)}); remove it, and give the same command again."
        ) from error


@dataclass(frozen=True)
class _OpenedPlan:
    """A plan's source, how its models are built, and which recipe it ends in."""

    source: BuildSession
    files: FileChoice
    end_recipe: str


def check_plan(run: PlanRun) -> str:
    """The key of a run's result. Raises, before anything trains, what cannot be in its order, its
    options or its model: InputError and its kinds."""
    opened = _open_plan(run)
    return digest_steps(run.options, run.plan, opened.source.checkpoint.sha256)[-1]


def _open_plan(run: PlanRun) -> _OpenedPlan:
    options = run.options
    lengths, auto_lengths = split_lengths(run.plan.build)
    files = FileChoice(
        options.profile,
        lengths,
        auto_lengths,
        choose_calibration(options),
        run.plan.build.table_bits,
    )
    source = files.open(options.model, options.recipe)
    end_recipe = choose_end_recipe(run.steps, run.plan.build, source.profile)
    check_token_recipes(run.steps, options.recipe, end_recipe)
    checkpoint = source.checkpoint
    if checkpoint.onnx is not None:
        raise ModelError(f"{checkpoint.onnx.path} is ONNX; a plan takes the model's own folder.")
    check_head(run.steps, checkpoint.head)
    check_layers(run.steps, source.weights.config.layers)
    return _OpenedPlan(source, files.keep_lengths(source), end_recipe)


def _open_job(run: PlanRun, progress: Progress) -> _Job:
    opened, options = _open_plan(run), run.options
    if options.threads:  # no longer possible once the source was built
        start_backend(options.threads)
    scoring = open_scoring(options, run.plan, opened.source, progress)
    return _Job(
        run,
        opened.source,
        opened.files,
        list_recipes(run.steps, options.recipe),
        opened.end_recipe,
        scoring,
        describe_basis(opened.source, scoring),
        digest_steps(options, run.plan, opened.source.checkpoint.sha256),
        progress,
    )


def _take_steps(job: _Job, report: Report) -> Iterator[tuple[TrainedModel, StepEffect]]:
    """Each step's model with its effect; a model that stands from an earlier run is taken."""
    model = job.run.options.model
    for number, step in enumerate(job.run.steps, start=1):
        trained = _take_step(job, number, step, model, report)
        model = str(trained.folder)
        described = MeasuredModel(f"{number} {step.kind}", step.kind, trained.run.seconds)
        session = job.files.open(model, job.recipes[number - 1])
        yield trained, _measure(job, session, described)


def _take_step(
    job: _Job, number: int, step: PlannedStep, model: str | None, report: Report
) -> TrainedModel:
    folder = job.run.options.step_folder(number, step.kind)
    place = PlanPlace(job.run.name, number, len(job.run.steps), job.keys[number - 1])
    with hold_name(folder):
        standing = read_training_run(folder)
        if standing is not None and standing.plan == place:
            job.progress(f"step {number}, {step.kind}: stands in {folder}")
            return TrainedModel(folder, standing)
        job.progress(f"step {number} of {len(job.run.steps)}: {step.kind}")
        taken = JOBS[step.kind]
        trained = taken.run(taken.name_model(step.options, model), report)
        return TrainedModel(trained.folder, write_plan_place(trained.run, place, trained.folder))


def _measure(job: _Job, session: BuildSession, model: MeasuredModel) -> StepEffect:
    count = job.basis.not_counted is None
    return measure_effect(session, model, job.scoring, job.progress, count=count)


def _write_final(job: _Job, last: TrainedModel, compression: Compression) -> None:
    """The last step's model once more, under the plan's name and with what all steps cost."""
    options = job.run.options
    session = job.files.open(str(last.folder), job.recipes[-1])
    record = msgspec.structs.replace(last.run, name=options.name)
    write_trained_model(
        options.folder,
        session.weights,
        session.checkpoint,
        record,
        compression,
        read_trained_bits(last.folder),
        find_learned(session.checkpoint),
        exits=session.exit_rule,
    )
