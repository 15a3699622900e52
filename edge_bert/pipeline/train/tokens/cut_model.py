"""Cuts of tokens as a job: a model in, the folder of one that goes on with fewer tokens out."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import msgspec
import numpy as np

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.distill import (
    Lessons,
    distill_student,
    name_metric,
    score_student,
)
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.encoder.token_cuts import check_cut_head, give_cuts
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.train.class_scores import run_outputs, score_lessons
from edge_bert.pipeline.train.corpus import Corpus, describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import TokensOptions
from edge_bert.pipeline.train.self_teaching import (
    digest_lessons,
    recovery_losses,
    teach_itself,
    tokenize_sides,
)
from edge_bert.pipeline.train.start_model import StartModel
from edge_bert.pipeline.train.tokens.token_options import choose_cuts, choose_settings, open_start
from edge_bert.pipeline.train.tokens.token_work import list_work, share_unpadded
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.records.token_cuts import CutTokens
from edge_bert.records.training import FORMAT_VERSION, LossWeights, TrainingRun


@dataclass(frozen=True)
class _Job:
    """The whole model and the same weights with cuts; their texts, and the outputs of the whole
    model for those that train and those that are held out."""

    options: TokensOptions
    model: StartModel
    weights: EncoderWeights
    corpus: tuple[Corpus, Corpus]
    trained: Lessons
    held_out: Lessons
    losses: LossWeights
    backend: str


def cut_model(options: TokensOptions, report: Report = no_report) -> TrainedModel:
    """Let a model go on with fewer tokens, recover it on texts, and write its folder.

    The whole model is its own teacher. The same command again goes on where it was cut short.
    Raises InputError, ModelError and DataError for options, models and texts that are not usable,
    and what training raises.
    """
    cuts = choose_cuts(options)
    check_name(options.name)
    check_target(options.folder)
    backend = start_backend(options.threads)
    started = time.monotonic()
    model = open_start(options)
    check_cut_head(cuts, model.weights.head)
    config = give_cuts(model.weights.config, cuts)
    weights = dataclasses.replace(model.weights, config=config)
    run = _start_run(options, model, weights, backend)
    if options.data or options.text:
        weights, run = _learn(_open_job(options, model, weights, backend, report), run, report)
    run = msgspec.structs.replace(
        run, machine=describe_machine(backend), seconds=time.monotonic() - started
    )
    return write_trained_model(options.folder, weights, model.checkpoint, run)


def _start_run(
    options: TokensOptions, model: StartModel, weights: EncoderWeights, backend: str
) -> TrainingRun:
    """The record, without what texts add to it."""
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=options.name,
        kind="fewer tokens",
        settings=choose_settings(options),
        losses=LossWeights(),
        data=(),
        ancestors=(describe_ancestor(model.checkpoint, "start"),),
        curve=None,
        machine=describe_machine(backend),
        seconds=0.0,
        tokens=CutTokens(weights.config.cuts, list_work(weights.config)),
    )


def _open_job(
    options: TokensOptions,
    model: StartModel,
    weights: EncoderWeights,
    backend: str,
    report: Report,
) -> _Job:
    corpus = read_corpus(options.data, options.text, weights.head)
    sides = split_corpus(corpus, options.held_out, options.split_seed)
    losses = recovery_losses(weights, sides[0])
    texts = tokenize_sides(model, sides)
    lessons = teach_itself(model, sides, texts, losses, report)
    return _Job(options, model, weights, sides, *lessons, losses, backend)


def _learn(job: _Job, run: TrainingRun, report: Report) -> tuple[EncoderWeights, TrainingRun]:
    """The weights after recovery, or those of the start with their score where none is wanted."""
    weights, config = job.weights, job.weights.config
    lengths = np.concatenate([side.texts.lengths for side in (job.trained, job.held_out)])
    tokens = CutTokens(config.cuts, list_work(config), share_unpadded(config, lengths))
    if job.options.epochs:
        weights, run = _recover(job, run, report)
    else:
        tokens = _score_untrained(job, tokens)
    return weights, msgspec.structs.replace(
        run,
        data=describe_corpus(*job.corpus),
        classes=score_lessons(weights, job.held_out),
        tokens=tokens,
    )


def _recover(job: _Job, run: TrainingRun, report: Report) -> tuple[EncoderWeights, TrainingRun]:
    """The weights that answer with fewer tokens as they did with all, and the curve of the run."""
    digests = [digest_lessons(side) for side in (job.trained, job.held_out)]
    cuts = msgspec.json.encode(job.weights.config.cuts).decode()
    source = job.model.checkpoint
    inputs = [source.sha256, cuts, run.settings, job.losses, *digests, job.backend]
    weights, curve = distill_student(
        job.weights,
        job.trained,
        job.held_out,
        run.settings,
        job.losses,
        choose_work_folder(["tokens", *inputs]),
        report,
    )
    ancestors = (*run.ancestors, describe_ancestor(source, "teacher"))
    return weights, msgspec.structs.replace(
        run, losses=job.losses, ancestors=ancestors, curve=curve
    )


def _score_untrained(job: _Job, tokens: CutTokens) -> CutTokens:
    task = job.weights.head.task
    outputs = run_outputs(job.weights, job.held_out.texts)
    return msgspec.structs.replace(
        tokens,
        metric=name_metric(job.held_out, task),
        score=score_student(outputs, job.held_out, task),
    )
