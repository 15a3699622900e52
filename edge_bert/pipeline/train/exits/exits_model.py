"""Exits as a job: a model in, its folder with heads between its layers and a rule for them out."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.examples import digest_texts, digest_weights
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.evaluate.exit_trials import (
    ExitAnswers,
    check_count,
    list_work,
    measure_accuracy,
    score_exits,
    try_rules,
)
from edge_bert.pipeline.train.class_scores import score_classes
from edge_bert.pipeline.train.corpus import Corpus, describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.exits import exit_choices
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import ExitsOptions
from edge_bert.pipeline.train.self_teaching import Texts, tokenize_sides
from edge_bert.pipeline.train.start_model import StartModel, open_model
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.records.checkpoint import Task
from edge_bert.records.exit_training import EarlyExits
from edge_bert.records.training import (
    FORMAT_VERSION,
    LossWeights,
    TrainingCurve,
    TrainingRun,
    TrainingSettings,
)
from edge_bert.sources.trained_bits import read_trained_bits


@dataclass(frozen=True)
class _Job:
    """What a run needs, once it is known to be usable; `weights` have no exits yet."""

    options: ExitsOptions
    model: StartModel
    weights: EncoderWeights
    settings: TrainingSettings
    joint_epochs: int
    losses: LossWeights
    corpus: tuple[Corpus, Corpus]
    texts: Texts
    backend: str

    @property
    def layers(self) -> tuple[int, ...]:
        """The places of the layers whose rows the exits read."""
        return tuple(after - 1 for after in self.options.after)


@dataclass(frozen=True)
class _Trained:
    """Weights with exits; the curve of the heads alone, and that of heads and body, if any."""

    weights: EncoderWeights
    heads: TrainingCurve
    joint: TrainingCurve | None


def add_exits(options: ExitsOptions, report: Report = no_report) -> TrainedModel:
    """Give a model exits and the rule by which texts leave, and write its folder.

    The same command again goes on where it was cut short, and changes nothing where it had ended.
    Raises InputError, ModelError and DataError for options, models and texts that are not usable,
    InputError for an agreement that no rule reaches, and what training raises.
    """
    exit_choices.check_exits(options)
    check_name(options.name)
    check_target(options.folder)
    started = time.monotonic()
    job = _open_job(options)
    trained = _train(job, report)
    weights = trained.weights
    answers = _answer_held_out(job, weights, report)
    report(StageStatus("looking for thresholds"))
    trials = try_rules(answers, options.agreement, options.rule)
    early = EarlyExits(
        layers=weights.config.layers,
        count=len(answers),
        exits=score_exits(answers),
        trials=tuple(trials),
        work=list_work(answers),
        heads_score=trained.heads.best_score,
        joint=trained.joint is not None,
        whole_accuracy=measure_accuracy(answers, answers.whole),
        start_accuracy=_score_start(job, answers),
    )
    run = _describe_run(job, trained, early, time.monotonic() - started)
    if early.whole_accuracy is not None and answers.labels is not None:
        classes = score_classes(answers.whole, answers.labels, weights.head.labels)
        run = msgspec.structs.replace(run, classes=classes)
    checkpoint = job.model.checkpoint
    return write_trained_model(
        options.folder,
        weights,
        checkpoint,
        run,
        bits=read_trained_bits(checkpoint.folder),
        learned=find_learned(checkpoint),
        exits=trials[0].rule,
    )


def _open_job(options: ExitsOptions) -> _Job:
    backend = start_backend(options.threads)
    model = open_model(options.model, with_exits=True)
    exit_choices.check_fit(options, model)
    options = exit_choices.settle_held_out(options, model)
    joint_epochs = exit_choices.choose_joint_epochs(options, model)
    weights = dataclasses.replace(model.weights, exits=())
    corpus = read_corpus(options.data, options.text, weights.head)
    exit_choices.check_labels(corpus, model)
    sides = split_corpus(corpus, options.held_out, options.split_seed)
    check_count(len(sides[1]), options.agreement, weights.head)
    losses = exit_choices.LOSSES[weights.head.task]
    if not sides[0].has_labels:
        losses = msgspec.structs.replace(losses, labels=0.0)
    return _Job(
        options,
        model,
        weights,
        options.settings,
        joint_epochs,
        losses,
        sides,
        tokenize_sides(model, sides),
        backend,
    )


def _train(job: _Job, report: Report) -> _Trained:
    from edge_bert.compress.train.exits.new_exits import start_exits
    from edge_bert.compress.train.exits.predict_agreement import predict_agreement
    from edge_bert.compress.train.exits.train_heads import settle_heads, train_heads
    from edge_bert.compress.train.exits.train_jointly import train_jointly

    lessons = _teach(job, job.weights, report)
    neurons = exit_choices.choose_neurons(job.options, job.weights)
    seed, after = job.settings.seed, job.options.after
    exits = start_exits(job.weights, after, lessons[0].outputs.arrays, neurons, seed)
    weights = dataclasses.replace(job.weights, exits=exits)
    folder = _work_folder(job, neurons)
    heads = settle_heads(job.settings)
    report(StageStatus("heads alone"))
    weights, curve = train_heads(weights, *lessons, heads, job.losses, folder / "heads", report)
    joint = None
    if job.joint_epochs:
        settings = msgspec.structs.replace(job.settings, epochs=job.joint_epochs)
        report(StageStatus("heads and body"))
        weights, joint = train_jointly(
            weights, *lessons, settings, job.losses, folder / "joint", report
        )
        lessons = _teach(job, weights, report) if joint.best_step else lessons
    if weights.head.task is Task.EMBEDDING:
        weights = predict_agreement(weights, lessons[0])
    return _Trained(weights, curve, joint)


def _teach(job: _Job, weights: EncoderWeights, report: Report) -> tuple[Lessons, Lessons]:
    """Both sides' texts with the outputs of a body and its pooled rows, kept by content."""
    from edge_bert.compress.train.forward import Rows
    from edge_bert.compress.train.teacher import run_teachers

    body = dataclasses.replace(weights, exits=())
    digest = digest_weights(body)
    labels = [side.labels if side.has_labels else None for side in job.corpus]
    labels[0] = labels[0] if job.losses.labels else None
    trained, held_out = (
        Lessons(texts, run_teachers([body], [digest], texts, Rows(pooled=job.layers), report), own)
        for texts, own in zip(job.texts, labels, strict=True)
    )
    return trained, held_out


def _work_folder(job: _Job, neurons: int) -> Path:
    sides = zip(job.texts, job.corpus, strict=True)
    inputs = [
        "exits",
        job.model.checkpoint.sha256,
        job.options.after,
        neurons,
        job.joint_epochs,
        job.settings,
        job.losses,
        *(digest_texts(texts, corpus.labels) for texts, corpus in sides),
        job.backend,
    ]
    return choose_work_folder(inputs)


def _answer_held_out(job: _Job, weights: EncoderWeights, report: Report) -> ExitAnswers:
    from edge_bert.compress.train.exits.answer_texts import answer_texts
    from edge_bert.compress.train.keras_student import build_student

    report(StageStatus("asking the exits"))
    answers = answer_texts(build_student(weights), weights.input_names, job.texts[1])
    held_out = job.corpus[1]
    return ExitAnswers(
        head=weights.head,
        after=job.options.after,
        layers=weights.config.layers,
        outputs=answers.exits,
        whole=answers.whole,
        predicted=answers.agreements,
        labels=held_out.labels if held_out.has_labels else None,
    )


def _score_start(job: _Job, answers: ExitAnswers) -> float | None:
    """The accuracy of the model as it came, on the held-out texts."""
    from edge_bert.compress.train.forward import Rows
    from edge_bert.compress.train.teacher import run_teachers

    digest = digest_weights(job.weights)
    start = run_teachers([job.weights], [digest], job.texts[1], Rows(pooled=job.layers))
    return measure_accuracy(answers, start.arrays["output"])


def _describe_run(job: _Job, trained: _Trained, early: EarlyExits, seconds: float) -> TrainingRun:
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=job.options.name,
        kind="exits",
        settings=job.settings,
        losses=job.losses,
        data=describe_corpus(*job.corpus),
        ancestors=(describe_ancestor(job.model.checkpoint, "start"),),
        curve=trained.joint or trained.heads,
        machine=describe_machine(job.backend),
        seconds=seconds,
        exits=early,
    )
