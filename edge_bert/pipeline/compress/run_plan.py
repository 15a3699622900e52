"""A plan as a job: its steps one after the other, and what each of them gave and cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.plan_keys import digest_steps
from edge_bert.pipeline.compress.scoring import Scoring, open_scoring
from edge_bert.pipeline.compress.step_effect import (
    MeasuredModel,
    describe_basis,
    measure_effect,
    open_model,
)
from edge_bert.pipeline.compress.step_jobs import JOBS, PlannedStep, check_head, check_layers
from edge_bert.pipeline.train.folder.run_record import (
    COMPRESSION_FILE,
    write_plan_place,
)
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    write_trained_model,
)
from edge_bert.progress import Progress
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.records.plan import FORMAT_VERSION, Compression, EffectBasis, Plan, StepEffect
from edge_bert.records.training import PlanPlace
from edge_bert.sources.trained_bits import read_trained_bits
from edge_bert.sources.training_run import read_training_run
from edge_bert.store.os_faults import describe_os_error
from edge_bert.store.sealed_json import read_sealed
from edge_bert.text import one_line


@dataclass(frozen=True)
class PlanRun:
    """A plan that is known to be usable, its steps with their options, and its name."""

    options: CompressOptions
    plan: Plan
    name: str
    steps: Sequence[PlannedStep]


@dataclass(frozen=True)
class _Job:
    """What all steps share: the source, how models are scored, and the keys of the results."""

    run: PlanRun
    source: BuildSession
    scoring: Scoring
    basis: EffectBasis
    keys: Sequence[str]
    progress: Progress


def run_plan(run: PlanRun, report: Report = no_report) -> Compression:
    """Take the steps of a plan, measure each, and write the last one's folder.

    The same command again goes on in the step that it was stopped in; steps before one that was
    changed are not taken again. Raises what the steps' jobs raise, InputError for a record of
    an earlier run that is damaged.
    """
    check_name(run.options.name)
    job = _open_job(run, lambda message: report(StageStatus(message)))
    earlier = read_compression(run.options.folder)
    if earlier is not None and (earlier.digest, earlier.basis) == (job.keys[-1], job.basis):
        return earlier
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
    )
    _write_final(run, taken[-1][0], compression)
    return compression


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


def _open_job(run: PlanRun, progress: Progress) -> _Job:
    source = open_model(run.options, run.options.model)
    checkpoint = source.checkpoint
    if checkpoint.onnx is not None:
        raise ModelError(f"{checkpoint.onnx.path} is ONNX; a plan takes the model's own folder.")
    check_head(run.steps, checkpoint.head)
    check_layers(run.steps, source.weights.config.layers)
    if run.options.threads:  # no longer possible once the source was built
        start_backend(run.options.threads)
    scoring = open_scoring(run.options, run.plan, source, progress)
    keys = digest_steps(run.options, run.plan, checkpoint.sha256)
    return _Job(run, source, scoring, describe_basis(source, scoring), keys, progress)


def _take_steps(job: _Job, report: Report) -> Iterator[tuple[TrainedModel, StepEffect]]:
    """Each step's model with its effect; a model that stands from an earlier run is taken."""
    model = job.run.options.model
    for number, step in enumerate(job.run.steps, start=1):
        trained = _take_step(job, number, step, model, report)
        model = str(trained.folder)
        described = MeasuredModel(f"{number} {step.kind}", step.kind, trained.run.seconds)
        yield trained, _measure(job, open_model(job.run.options, model), described)


def _take_step(
    job: _Job, number: int, step: PlannedStep, model: str | None, report: Report
) -> TrainedModel:
    folder = job.run.options.step_folder(number, step.kind)
    place = PlanPlace(job.run.name, number, len(job.run.steps), job.keys[number - 1])
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


def _write_final(run: PlanRun, last: TrainedModel, compression: Compression) -> None:
    """The last step's model once more, under the plan's name and with what all steps cost."""
    session = open_model(run.options, str(last.folder))
    record = msgspec.structs.replace(last.run, name=run.options.name)
    write_trained_model(
        run.options.folder,
        session.weights,
        session.checkpoint,
        record,
        compression,
        read_trained_bits(last.folder),
        find_learned(session.checkpoint),
    )
