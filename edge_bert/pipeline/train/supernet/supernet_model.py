"""A super-network as a job: a model and texts in, the folder of all its sub-networks out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_bert.compress.prune.subnetworks import cut_subnetwork
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.estimate.macs import count_macs
from edge_bert.pipeline.train.class_scores import score_lessons
from edge_bert.pipeline.train.corpus import Corpus, describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.distill.choose_losses import DEFAULTS, choose_losses
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import SupernetOptions
from edge_bert.pipeline.train.self_teaching import digest_lessons, teach_itself, tokenize_sides
from edge_bert.pipeline.train.start_model import StartModel, open_teacher
from edge_bert.pipeline.train.supernet.supernet_start import (
    SupernetStart,
    check_start,
    choose_importance,
    choose_least,
    open_start,
)
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.records import supernet
from edge_bert.records.candidate import Structure
from edge_bert.records.recipe import FLOAT32
from edge_bert.records.supernet import Supernet
from edge_bert.records.supernet_training import SubnetworkScore, SupernetTraining
from edge_bert.records.training import (
    FORMAT_VERSION,
    LossWeights,
    TrainingRun,
)

if TYPE_CHECKING:
    from edge_bert.compress.train.supernet.train_supernet import TrainedSupernet

MOST_DRAWN = 16
LENGTH = 128  # tokens, at which the work of sub-networks is compared
# How tokens relate in the last layer is left out: which layer is the last differs.
SUPERNET_LOSSES = {
    task: msgspec.structs.replace(losses, relations=0.0) for task, losses in DEFAULTS.items()
}


@dataclass(frozen=True)
class _Job:
    """What a run needs, once it is known to be usable."""

    options: SupernetOptions
    model: StartModel
    losses: LossWeights
    corpus: tuple[Corpus, Corpus]
    lessons: tuple[Lessons, Lessons]
    backend: str


def train_supernet_model(options: SupernetOptions, report: Report = no_report) -> TrainedModel:
    """Train a model for all of its sub-networks, and write its folder.

    The same command again goes on where it was cut short, and changes nothing where it had ended.
    Raises InputError, DataError and ModelError for options, texts and models that are not usable,
    and what training raises.
    """
    job = _open_job(options, report)
    started = time.monotonic()
    from edge_bert.compress.train.supernet.train_supernet import (  # it needs Keras
        Sandwich,
        train_supernet,
    )

    work = _work_folder(job)
    start = open_start(
        job.model, options, job.lessons, work, lambda message: report(StageStatus(message))
    )
    sandwich = Sandwich(start.facts.grid, options.drawn, options.in_place)
    trained = train_supernet(
        start.weights, sandwich, *job.lessons, options.settings, job.losses, work, report
    )
    run = _describe_run(job, trained, time.monotonic() - started)
    checkpoint, subnetworks = job.model.checkpoint, _describe_supernet(start)
    return write_trained_model(
        options.folder, trained.weights, checkpoint, run, subnetworks=subnetworks
    )


def _open_job(options: SupernetOptions, report: Report) -> _Job:
    check_name(options.name)
    check_target(options.folder)
    _check_options(options)
    backend = start_backend(options.settings.threads)
    model = open_teacher(options.model)
    check_start(model)
    choose_least(options, model.weights)
    corpus = read_corpus(options.data, options.text, model.weights.head)
    sides = split_corpus(corpus, options.held_out, options.split_seed)
    labels = sides[0].has_labels
    losses = choose_losses(options, model.weights, labels=labels, defaults=SUPERNET_LOSSES)
    choose_importance(options, labels=labels and bool(losses.labels))
    texts = tokenize_sides(model, sides)
    lessons = teach_itself(model, sides, texts, losses, report)
    return _Job(options, model, losses, sides, lessons, backend)


def _check_options(options: SupernetOptions) -> None:
    if not 0 <= options.drawn <= MOST_DRAWN:
        raise InputError(f"--drawn {options.drawn}: give 0 to {MOST_DRAWN}.")
    for name in ("least_heads", "least_neurons"):
        share = getattr(options, name)
        if not 0 < share <= 1:
            raise InputError(
                f"--{name.replace('_', '-')} {share:.4g}: give a share above 0 and at most 100%."
            )


def _work_folder(job: _Job) -> Path:
    """Where the run's snapshots are, by all that decides its weights."""
    options = job.options
    inputs: list[object] = [
        job.model.checkpoint.sha256,
        options.settings,
        job.losses,
        f"{options.importance} {options.fewest_layers} {options.least_heads} "
        f"{options.least_neurons} {options.drawn} {options.in_place}",
        *map(digest_lessons, job.lessons),
        job.backend,
    ]
    return choose_work_folder(["super-network by cuts", *inputs])


def _describe_run(job: _Job, trained: TrainedSupernet, seconds: float) -> TrainingRun:
    checkpoint, weights = job.model.checkpoint, trained.weights
    rungs = (_describe_rung(weights, structure, score) for structure, score in trained.rungs)
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=job.options.name,
        kind="super-network",
        settings=job.options.settings,
        losses=job.losses,
        data=describe_corpus(*job.corpus),
        ancestors=(
            describe_ancestor(checkpoint, "start"),
            describe_ancestor(checkpoint, "teacher"),
        ),
        curve=trained.curve,
        machine=describe_machine(job.backend),
        seconds=seconds,
        classes=score_lessons(weights, job.lessons[1]),
        supernet=SupernetTraining(
            importance=choose_importance(job.options, labels=job.lessons[0].labels is not None),
            drawn=job.options.drawn,
            in_place=job.options.in_place,
            length=LENGTH,
            rungs=tuple(rungs),
        ),
    )


def _describe_rung(weights: EncoderWeights, structure: Structure, score: float) -> SubnetworkScore:
    """A sub-network with its work and its score."""
    config = cut_subnetwork(weights, structure).config
    work = count_macs(config, FLOAT32, LENGTH).float32
    whole = count_macs(weights.config, FLOAT32, LENGTH).float32
    return SubnetworkScore(structure=structure, macs=work, share=work / whole, score=score)


def _describe_supernet(start: SupernetStart) -> Supernet:
    facts = start.facts
    return Supernet(
        format_version=supernet.FORMAT_VERSION,
        weights_sha256="",  # known once they are written
        grid=facts.grid,
        head_order=facts.head_order,
        neuron_order=facts.neuron_order,
    )
