"""Fine-tuning as a job: labelled data and a model in, the folder of a model with a head out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.examples import LabelledTexts, split_rows
from edge_bert.compress.train.fine_tune import ON_LABELS, HeldOut, RunTexts, fine_tune
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError
from edge_bert.pipeline.train.class_scores import score_classes
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.heads.choose_kind import KINDS, choose_kind, name_kind
from edge_bert.pipeline.train.heads.head_kind import HeadKind
from edge_bert.pipeline.train.heads.held_out import hold_out
from edge_bert.pipeline.train.heads.numbers import Scale
from edge_bert.pipeline.train.options import FineTuneOptions
from edge_bert.pipeline.train.start_model import StartModel, open_model
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.training import (
    FORMAT_VERSION,
    ClassScore,
    DataUsed,
    TrainingCurve,
    TrainingRun,
)


@dataclass(frozen=True)
class Sides:
    """Labelled data: all, those that are trained on, and those that are held out."""

    whole: EvaluationSet
    trained: EvaluationSet
    held_out: EvaluationSet


@dataclass(frozen=True)
class _Job:
    """What a run needs, once it is known to be usable; the weights have the head."""

    options: FineTuneOptions
    start: StartModel
    data: Sides
    weights: EncoderWeights
    trained: LabelledTexts
    held_out: LabelledTexts
    judge: HeldOut


def train_head(options: FineTuneOptions, report: Report = no_report) -> TrainedModel:
    """Fine-tune a model on labelled data with the head that these need, and write its folder.

    The same command again goes on where it was cut short, and changes nothing where it had ended.
    Raises DataError for data that train no head, InputError and ModelError for options and models
    that are not usable, and what training raises.
    """
    settings = options.settings
    check_name(options.name)
    backend = start_backend(settings.threads)
    job = _open_job(options)
    started = time.monotonic()
    scale = Scale.of(job.weights.head, job.trained.labels)
    weights, trained = scale.standardize(job.weights, job.trained)
    outputs: list[FloatArray] = []

    def watch(run: RunTexts) -> None:
        if name_kind(job.weights.head) == "classes":
            outputs.append(run(job.held_out.texts))

    folder = _work_folder(job, backend)
    weights, curve = fine_tune(weights, trained, job.judge, settings, folder, report, watch)
    seconds = time.monotonic() - started
    weights = scale.restore(weights)
    run = _describe_run(job, curve, _score_classes(job, outputs), backend, seconds)
    return write_trained_model(options.folder, weights, job.start.checkpoint, run)


def _open_job(options: FineTuneOptions) -> _Job:
    data = parse_reference(options.data)
    start = open_model(options.model)
    own = start.weights.head
    name = choose_kind(data, own, options.head)
    kind, fitting = KINDS[name], own if name_kind(own) == name else None
    head = kind.choose_head(data, fitting, options.head is not None)
    sides = split_data(data, options.held_out, options.split_seed)
    _check_labels(sides, kind, is_new=head is not own)
    judge = hold_out(sides.held_out, start.tokenizer, head, name)
    trained, held_out = (
        kind.make_examples(side, start.tokenizer, head) for side in (sides.trained, sides.held_out)
    )
    check_target(options.folder)  # it may make the folder that this one lies in
    weights = start.weights
    if head is not own:
        weights = kind.add_head(weights, head, trained)
    return _Job(options, start, sides, weights, trained, held_out, judge)


def split_data(data: EvaluationSet, held_out_share: float, split_seed: int) -> Sides:
    """Rows are split by their text; questions by their context, which many of them share."""
    texts = data.second if data.kind == "answers" else data.sentences
    trained, held_out = split_rows(texts, held_out_share, split_seed)
    held = dataclasses.replace(data.select(held_out), name=f"the held-out part of {data.name}")
    return Sides(data, data.select(trained), held)


def _check_labels(sides: Sides, kind: HeadKind, *, is_new: bool) -> None:
    """A new head has a text to learn each label from, and on the mean one to be scored on."""
    labels, name = kind.list_labels(sides.whole), sides.whole.name
    untaught = labels - kind.list_labels(sides.trained)
    if untaught and is_new:
        raise DataError(
            f"{name}: all texts of the label {min(untaught)!r} are held out; give more of it, or "
            "another --split-seed."
        )
    if len(labels) > len(sides.held_out):
        raise DataError(
            f"{name}: has {len(labels)} labels, and {len(sides.held_out)} held-out texts to score "
            "them on; give more texts, or a larger --held-out."
        )


def _work_folder(job: _Job, backend: str) -> Path:
    return choose_work_folder(
        [
            job.start.checkpoint.sha256,
            job.options.settings,
            job.trained.sha256,
            job.held_out.sha256,
            job.weights.head,
            backend,
        ]
    )


def _score_classes(job: _Job, outputs: Sequence[FloatArray]) -> tuple[ClassScore, ...]:
    """The held-out texts of each class, beside what the start, its head included, gets right.

    `outputs` are theirs before and after training; none where the head has no classes.
    """
    if not outputs:
        return ()
    earlier, last = outputs
    return score_classes(last, job.held_out.labels, job.weights.head.labels, earlier)


def _describe_run(
    job: _Job, curve: TrainingCurve, classes: tuple[ClassScore, ...], backend: str, seconds: float
) -> TrainingRun:
    count, held_out = len(job.data.whole), len(job.data.held_out)
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=job.options.name,
        kind="fine-tuning",
        settings=job.options.settings,
        losses=ON_LABELS,
        data=(DataUsed(job.data.whole.name, count, held_out, job.trained.sha256),),
        ancestors=(describe_ancestor(job.start.checkpoint, "start"),),
        curve=curve,
        machine=describe_machine(backend),
        seconds=seconds,
        classes=classes,
    )
