"""Exits as a job: a model in, its folder with heads between its layers and a rule for them out."""

from __future__ import annotations

import dataclasses
import time

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.evaluate.exit_trials import check_count
from edge_bert.pipeline.train.corpus import describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.exits import exit_choices
from edge_bert.pipeline.train.exits.fit_exits import ExitJob, FittedExits, fit_exits
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import ExitsOptions
from edge_bert.pipeline.train.self_teaching import tokenize_sides
from edge_bert.pipeline.train.start_model import StartModel, open_model
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    write_trained_model,
)
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.records.training import FORMAT_VERSION, TrainingRun
from edge_bert.sources.trained_bits import read_trained_bits
from edge_bert.sources.training_run import read_training_run


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
    backend = start_backend(options.threads)
    model = open_model(options.model, with_exits=True)
    job = _open_job(options, model, backend)
    fitted = fit_exits(job, report)
    run = _describe_run(options.name, model, job, fitted, time.monotonic() - started)
    folder = model.checkpoint.folder
    return write_trained_model(
        options.folder,
        fitted.weights,
        model.checkpoint,
        run,
        bits=read_trained_bits(folder),
        learned=find_learned(model.checkpoint),
        exits=fitted.rule,
    )


def _open_job(options: ExitsOptions, model: StartModel, backend: str) -> ExitJob:
    exit_choices.check_fit(options, model)
    options = exit_choices.settle_held_out(options, model)
    joint_epochs = exit_choices.choose_joint_epochs(options, model)
    return open_exit_job(
        options, model, dataclasses.replace(model.weights, exits=()), joint_epochs, backend
    )


def open_exit_job(
    options: ExitsOptions,
    model: StartModel,
    weights: EncoderWeights,
    joint_epochs: int,
    backend: str,
) -> ExitJob:
    """The job of exits on `weights`, whose tokenizer is the model's.

    Raises DataError for texts that are too few or of one class.
    """
    corpus = read_corpus(options.data, options.text, weights.head)
    exit_choices.check_labels(corpus, model)
    sides = split_corpus(corpus, options.held_out, options.split_seed)
    check_count(len(sides[1]), options.agreement, weights.head)
    return ExitJob(
        weights=weights,
        after=options.after,
        neurons=exit_choices.choose_neurons(options, weights),
        agreement=options.agreement,
        rule=options.rule,
        settings=options.settings,
        joint_epochs=joint_epochs,
        losses=exit_choices.choose_exit_losses(weights.head, sides[0]),
        corpus=sides,
        texts=tokenize_sides(model, sides),
        backend=backend,
    )


def _describe_run(
    name: str, model: StartModel, job: ExitJob, fitted: FittedExits, seconds: float
) -> TrainingRun:
    """The record; a clustered body is still one."""
    earlier = read_training_run(model.checkpoint.folder)
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=name,
        kind="exits",
        settings=job.settings,
        losses=job.losses,
        data=describe_corpus(*job.corpus),
        ancestors=(describe_ancestor(model.checkpoint, "start"),),
        curve=fitted.curve,
        machine=describe_machine(job.backend),
        seconds=seconds,
        classes=fitted.classes,
        clustering=None if earlier is None else earlier.clustering,
        exits=fitted.early,
    )
