"""Fine-tuning as a job: labelled data and a model in, the folder of a classifier out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_bert.compress.train.backends.choose_backend import limit_threads, select_backend
from edge_bert.compress.train.examples import LabelledTexts, digest_texts, split_rows
from edge_bert.compress.train.fine_tune import ON_LABELS, fine_tune
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.compress.train.new_head import add_classifier, strip_head
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError, ModelError
from edge_bert.pipeline.train.class_scores import run_outputs, score_classes
from edge_bert.pipeline.train.labels import label_texts, list_classes, number_classes
from edge_bert.pipeline.train.options import FineTuneOptions
from edge_bert.pipeline.train.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.records.checkpoint import Checkpoint, Task
from edge_bert.records.training import (
    FORMAT_VERSION,
    ClassScore,
    DataUsed,
    TrainingCurve,
    TrainingRun,
)
from edge_bert.sources.load import load_checkpoint
from edge_bert.store.cache import cache_folder


@dataclass(frozen=True)
class _Job:
    """What a run needs, once it is known to be usable."""

    options: FineTuneOptions
    checkpoint: Checkpoint
    data: EvaluationSet
    weights: EncoderWeights
    trained: LabelledTexts
    held_out: LabelledTexts


def train_classifier(options: FineTuneOptions, report: Report = no_report) -> TrainedModel:
    """Fine-tune a classifier on the classes of labelled data, and write its folder.

    The same command again goes on where it was cut short, and changes nothing where it had ended.
    Raises DataError for data without classes, InputError and ModelError for options and models that
    are not usable, and what training raises.
    """
    settings = options.settings
    check_name(options.name)
    check_target(options.folder)
    backend = select_backend()
    limit_threads(settings.threads)
    job = _open_job(options)
    started = time.monotonic()
    weights, curve = fine_tune(
        job.weights, job.trained, job.held_out, settings, _work_folder(job, backend), report
    )
    seconds = time.monotonic() - started
    classes = _score_classes(job, weights)
    run = _describe_run(job, curve, classes, backend, seconds)
    return write_trained_model(options.folder, weights, job.checkpoint, run)


def _open_job(options: FineTuneOptions) -> _Job:
    data = parse_reference(options.data)
    if data.kind != "labelled":
        raise DataError(
            f"{data.name} has {data.kind}; `train` takes texts with a class each, as in "
            "FILE.csv:text=COLUMN,label=COLUMN."
        )
    classes = list_classes(data)
    checkpoint = load_checkpoint(options.model, cache_folder("models"))
    if checkpoint.onnx is not None:
        raise ModelError(f"{checkpoint.onnx.path} is ONNX; `train` takes the model's own folder.")
    weights = encoder_weights(checkpoint)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
    examples = label_texts(data, tokenizer, number_classes(data, classes))
    rows = split_rows(data.sentences, options.held_out, options.split_seed)
    trained, held_out = (examples.select(side) for side in rows)
    _check_classes(data, classes, trained)
    return _Job(
        options, checkpoint, data, _with_classifier(weights, classes, trained), trained, held_out
    )


def _check_classes(data: EvaluationSet, classes: tuple[str, ...], trained: LabelledTexts) -> None:
    """Every class has a text to learn from."""
    untaught = set(range(len(classes))) - set(np.unique(trained.labels).tolist())
    if untaught:
        raise DataError(
            f"{data.name}: all texts of the label {classes[min(untaught)]!r} are held out; give "
            "more of it, or another --split-seed."
        )


def _with_classifier(
    weights: EncoderWeights, classes: tuple[str, ...], trained: LabelledTexts
) -> EncoderWeights:
    """The model's own classifier where it has these classes, else a new one."""
    head = weights.head
    if head.task is Task.CLASSIFICATION and head.labels == classes:
        return weights
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student

    stripped = strip_head(weights)
    forward = ForwardPass(build_student(stripped), stripped.input_names)
    vectors = forward.run(trained.texts)["output"]
    return add_classifier(stripped, classes, "softmax", vectors, trained.labels)


def _work_folder(job: _Job, backend: str) -> Path:
    return choose_work_folder(
        [
            job.checkpoint.sha256,
            job.options.settings,
            digest_texts(job.trained.texts, job.trained.labels),
            digest_texts(job.held_out.texts, job.held_out.labels),
            job.weights.head,
            backend,
        ]
    )


def _score_classes(job: _Job, weights: EncoderWeights) -> tuple[ClassScore, ...]:
    """The held-out texts of each class, beside what the start, its head included, gets right."""
    texts, labels = job.held_out.texts, job.held_out.labels
    outputs, earlier = run_outputs(weights, texts), run_outputs(job.weights, texts)
    return score_classes(outputs, labels, weights.head.labels, earlier)


def _describe_run(
    job: _Job, curve: TrainingCurve, classes: tuple[ClassScore, ...], backend: str, seconds: float
) -> TrainingRun:
    texts = len(job.trained) + len(job.held_out)
    digest = digest_texts(job.trained.texts, job.trained.labels)
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=job.options.name,
        kind="fine-tuning",
        settings=job.options.settings,
        losses=ON_LABELS,
        data=(DataUsed(job.data.name, texts, len(job.held_out), digest),),
        ancestors=(describe_ancestor(job.checkpoint, "start"),),
        curve=curve,
        machine=describe_machine(backend),
        seconds=seconds,
        classes=classes,
    )
