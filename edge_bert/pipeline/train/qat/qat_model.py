"""Quantization-aware training as a job: a model and texts in, its folder on its grids out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.examples import digest_texts
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.compress.train.prune.rank_units import list_sentences
from edge_bert.compress.train.qat.fake_quant_config import (
    FakeQuantConfig,
    infer_config,
    resize_matrices,
)
from edge_bert.compress.train.qat.layer_sensitivity import rank_sensitive_layers
from edge_bert.compress.train.qat.quantized_student import round_tables
from edge_bert.compress.train.qat.train_quantized import QuantizedEncoder
from edge_bert.compress.train.qat.train_stages import Stage, train_stages
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.train.class_scores import score_lessons
from edge_bert.pipeline.train.corpus import Corpus, describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.distill.choose_losses import DEFAULTS, SAME_LAYERS, choose_losses
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import QatOptions
from edge_bert.pipeline.train.qat.calibration import list_start_sentences
from edge_bert.pipeline.train.qat.choose_stages import (
    choose_bits,
    choose_stages,
    find_recipe,
    widen_layers,
)
from edge_bert.pipeline.train.qat.gptq_start import QatStart, start_by_gptq
from edge_bert.pipeline.train.qat.train_integers import train_integers
from edge_bert.pipeline.train.self_teaching import Texts, teach_itself, tokenize_sides
from edge_bert.pipeline.train.start_model import StartModel, open_teacher
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.records import trained_bits
from edge_bert.records.recipe import Recipe
from edge_bert.records.trained_bits import TrainedBits
from edge_bert.records.training import (
    FORMAT_VERSION,
    LossWeights,
    QatStage,
    QuantizedTraining,
    TrainingRun,
)
from edge_bert.records.weight_bits import WeightBits
from edge_bert.records.weight_grid import Width

SENSITIVITY_SENTENCES = 64  # of those that are learned


@dataclass(frozen=True)
class _Job:
    """What a run needs, once it is known to be usable."""

    options: QatOptions
    recipe: Recipe
    model: StartModel
    bits: WeightBits
    stages: tuple[Stage, ...]
    losses: LossWeights
    corpus: tuple[Corpus, Corpus]
    texts: Texts
    backend: str

    @property
    def weights(self) -> EncoderWeights:
        """The float encoder, which teaches itself."""
        return self.model.weights


def quantize_model(options: QatOptions, report: Report = no_report) -> TrainedModel:
    """Train a model on the integers of a recipe's file, and write its folder.

    The same command again goes on where it was cut short, and changes nothing where it had ended.
    Raises InputError, ModelError and DataError for options, models and texts that are not usable,
    and what training raises.
    """
    if find_recipe(options.recipe).needs_calibration:
        return train_integers(options, report)
    job = _open_job(options, report)
    started = time.monotonic()
    lessons = teach_itself(job.model, job.corpus, job.texts, job.losses, report)
    config = infer_config(job.recipe, job.bits, job.weights)
    folder = _work_folder(job)
    start = _start_matrices(job, config, folder, report)
    trained, records = train_stages(
        round_tables(start.weights, config),
        config,
        job.stages,
        lessons,
        job.losses,
        folder,
        report,
        lambda message: report(StageStatus(message)),
        start.scales,
    )
    seconds = time.monotonic() - started
    weights = trained.grid.weights
    run = _describe_run(job, trained, records, seconds)
    run = msgspec.structs.replace(run, classes=score_lessons(weights, lessons[1]))
    bits = TrainedBits(trained_bits.FORMAT_VERSION, job.recipe.name, job.bits)
    return write_trained_model(options.folder, weights, job.model.checkpoint, run, bits=bits)


def _open_job(options: QatOptions, report: Report) -> _Job:
    recipe = find_recipe(options.recipe)
    check_name(options.name)
    check_target(options.folder)
    backend = start_backend(options.threads)
    model = open_teacher(options.model, with_cuts=True)
    weights = model.weights
    bits = choose_bits(options, recipe, weights.config.layers)
    stages = choose_stages(options, recipe)
    corpus = read_corpus(options.data, options.text, weights.head)
    defaults = SAME_LAYERS if stages[-1].width.count < Width.INT4.count else DEFAULTS
    losses = choose_losses(options, weights, labels=corpus.has_labels, defaults=defaults)
    sides = split_corpus(corpus, options.held_out, options.split_seed, options.most_texts)
    texts = tokenize_sides(model, sides)
    bits = _widen(options, recipe, bits, weights, texts[0], report)
    return _Job(options, recipe, model, bits, stages, losses, sides, texts, backend)


def _widen(
    options: QatOptions,
    recipe: Recipe,
    bits: WeightBits,
    weights: EncoderWeights,
    texts: TokenizedTexts,
    report: Report,
) -> WeightBits:
    """The bits with four for the layers that lose most, as many as the options want."""
    if not options.wide_layers:
        return bits
    if min(bits.matrix_bits) >= 4 or not 0 < options.wide_layers < len(bits.matrix_bits):
        raise InputError(
            f"--wide-layers {options.wide_layers}: of a recipe of two bits such as wi2c_afp32, "
            f"give 1 to {len(bits.matrix_bits) - 1} layers that have four."
        )
    ranked = rank_sensitive_layers(
        weights,
        infer_config(recipe, bits, weights),
        list_sentences(texts.spread(SENSITIVITY_SENTENCES), weights.input_names),
        lambda message: report(StageStatus(message)),
    )
    return widen_layers(bits, ranked, options.wide_layers)


def _start_matrices(job: _Job, config: FakeQuantConfig, folder: Path, report: Report) -> QatStart:
    """The matrices rounded by GPTQ to the width of the first stage."""
    return start_by_gptq(
        job.weights,
        resize_matrices(config, job.stages[0].width),
        list_start_sentences(job.model, job.texts[0]),
        folder,
        lambda message: report(StageStatus(message)),
    )


def _work_folder(job: _Job) -> Path:
    sides = zip(job.texts, job.corpus, strict=True)
    stages = [(stage.width.value, stage.settings) for stage in job.stages]
    inputs: Sequence[object] = [
        "qat from both sets",
        job.model.checkpoint.sha256,
        job.recipe,
        job.bits,
        job.losses,
        stages,
        *(digest_texts(texts, corpus.labels) for texts, corpus in sides),
        job.backend,
    ]
    return choose_work_folder(inputs)


def _describe_run(
    job: _Job, trained: QuantizedEncoder, stages: tuple[QatStage, ...], seconds: float
) -> TrainingRun:
    checkpoint = job.model.checkpoint
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=job.options.name,
        kind="quantization-aware training",
        settings=job.stages[-1].settings,
        losses=job.losses,
        data=describe_corpus(*job.corpus),
        ancestors=(
            describe_ancestor(checkpoint, "start"),
            describe_ancestor(checkpoint, "teacher"),
        ),
        curve=trained.curve,
        machine=describe_machine(job.backend),
        seconds=seconds,
        quantization=QuantizedTraining(
            recipe=job.recipe.name, bits=job.bits, width=stages[-1].width, stages=stages
        ),
    )
