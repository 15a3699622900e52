"""Training of a recipe whose activations are integers: a model and texts in, a folder out.

The folder holds the float weights that come nearest to what was trained, and beside them the very
integers and ranges, which a build of that recipe takes as they are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.examples import digest_texts
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.errors import InputError
from edge_bert.pipeline.train.class_scores import score_lessons
from edge_bert.pipeline.train.corpus import Corpus, describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.distill.choose_losses import choose_losses
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import QatOptions
from edge_bert.pipeline.train.qat.calibration import encode_default_sentences
from edge_bert.pipeline.train.qat.choose_stages import FILE_WIDTHS, find_recipe
from edge_bert.pipeline.train.qat.learn_integers import (
    IntegerPlan,
    LearnedIntegers,
    check_halves,
    learn_integers,
)
from edge_bert.pipeline.train.self_teaching import Texts, teach_itself, tokenize_sides
from edge_bert.pipeline.train.start_model import StartModel, open_teacher
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.records.recipe import Recipe
from edge_bert.records.training import (
    FORMAT_VERSION,
    LossWeights,
    QatStage,
    QuantizedTraining,
    TrainingRun,
    TrainingSettings,
)
from edge_bert.records.weight_bits import WeightBits

EPOCHS, LEARNING_RATE = 2, 5e-5  # where the user does not say
# Options of hybrid recipes; the matrices of an integer graph have the bits of its recipe alone.
HYBRID_ONLY = ("width", "chain", "wide", "wide_layers", "table_bits")
ON_ROWS = (
    "hidden",
    "attention",
    "relations",
)  # losses on rows, which the graph has in other scales


@dataclass(frozen=True)
class _Job:
    """What a run needs, once it is known to be usable."""

    options: QatOptions
    recipe: Recipe
    model: StartModel
    settings: TrainingSettings
    losses: LossWeights
    corpus: tuple[Corpus, Corpus]
    texts: Texts
    backend: str


def train_integers(options: QatOptions, report: Report = no_report) -> TrainedModel:
    """Train a model on the integers of a recipe whose activations are integers, too.

    The same command again goes on where it was cut short. Raises InputError, ModelError and
    DataError for options, models and texts that are not usable, RefusedError for an encoder or a
    head that calibrated integers do not have, and what training raises.
    """
    job = _open_job(options)
    started = time.monotonic()
    report(StageStatus("calibration"))
    calibrated = _calibrate(job.model)
    lessons = teach_itself(job.model, job.corpus, job.texts, job.losses, report)
    plan = IntegerPlan(calibrated, job.recipe, lessons, job.settings, job.losses)
    found = learn_integers(plan, _work_folder(job), report)
    run = _describe_run(job, found, time.monotonic() - started)
    run = msgspec.structs.replace(run, classes=score_lessons(found.weights, lessons[1]))
    return write_trained_model(
        options.folder, found.weights, job.model.checkpoint, run, learned=found.encoder
    )


def _open_job(options: QatOptions) -> _Job:
    recipe = find_recipe(options.recipe)
    settings = check_integer_options(options, recipe)
    check_name(options.name)
    check_target(options.folder)
    backend = start_backend(options.threads)
    model = open_teacher(options.model)
    corpus = read_corpus(options.data, options.text, model.weights.head)
    losses = choose_losses(options, model.weights, labels=corpus.has_labels)
    losses = msgspec.structs.replace(losses, **dict.fromkeys(ON_ROWS, 0.0))
    sides = split_corpus(corpus, options.held_out, options.split_seed, options.most_texts)
    texts = tokenize_sides(model, sides)
    return _Job(options, recipe, model, settings, losses, sides, texts, backend)


def check_integer_options(options: QatOptions, recipe: Recipe) -> TrainingSettings:
    """The settings of a run. Raises InputError for options that are not for integer activations."""
    for name in (*HYBRID_ONLY, *ON_ROWS):
        if getattr(options, name):
            raise InputError(
                f"--{name.replace('_', '-')} is for recipes whose activations are float between "
                f"matrices, and {recipe.name} has integers there; leave it out."
            )
    return _choose_settings(options)


def _choose_settings(options: QatOptions) -> TrainingSettings:
    chosen = msgspec.structs.replace(
        options,
        epochs=options.epochs or EPOCHS,
        learning_rate=options.learning_rate or LEARNING_RATE,
    )
    settings = chosen.settings
    check_halves(settings)
    if settings.freeze != "embeddings":
        raise InputError(
            f"--freeze {settings.freeze}: tables stay on the grid that they start on; leave it out."
        )
    return settings


def _calibrate(model: StartModel) -> CalibratedEncoder:
    """As a build without options of its own calibrates the float model."""
    return calibrate_encoder(model.weights, encode_default_sentences(model))


def _work_folder(job: _Job) -> Path:
    sides = zip(job.texts, job.corpus, strict=True)
    inputs: Sequence[object] = [
        "qat of integers",
        job.model.checkpoint.sha256,
        job.recipe,
        job.losses,
        job.settings,
        *(digest_texts(texts, corpus.labels) for texts, corpus in sides),
        job.backend,
    ]
    return choose_work_folder(inputs)


def _describe_run(job: _Job, found: LearnedIntegers, seconds: float) -> TrainingRun:
    checkpoint, curve = job.model.checkpoint, found.curve
    width = FILE_WIDTHS[job.recipe.weight_bits].value
    stage = QatStage(
        width=width, score_before=curve.start_score, score_after=curve.best_score, seconds=seconds
    )
    bits = WeightBits.of_recipe(job.recipe, found.weights.config.layers)
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=job.options.name,
        kind="quantization-aware training",
        settings=job.settings,
        losses=job.losses,
        data=describe_corpus(*job.corpus),
        ancestors=(
            describe_ancestor(checkpoint, "start"),
            describe_ancestor(checkpoint, "teacher"),
        ),
        curve=curve,
        machine=describe_machine(job.backend),
        seconds=seconds,
        quantization=QuantizedTraining(
            recipe=job.recipe.name, bits=bits, width=width, stages=(stage,)
        ),
    )
