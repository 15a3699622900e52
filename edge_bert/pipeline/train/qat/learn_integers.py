"""Training of a recipe whose activations are integers: its graph learns, then gives its integers.

Requires: a calibration of the float encoder, which the rewrites and the first ranges come from,
and that encoder's outputs on texts. Ensures: the integers and the ranges that were trained, for a
build to take as they are. Ranges are learned in the first half of the epochs and stand fast in the
second, in which the weights settle on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_bert.compress.train.batches import BUCKET
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.compress.train.qat.integers.teach_student import double_lengths, teach_integers
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.train.qat.integer_start import (
    quantize_matrix,
    start_encoder,
    start_student,
    take_training,
)
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.calibrate.learned_encoder import LearnedEncoder, learn_encoder
from edge_bert.quantize.integer.equalize.undo_rewrites import undo_rewrites
from edge_bert.quantize.integer.lower.dense_parts import WORD_TABLE, name_kernel
from edge_bert.records.recipe import Recipe
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings

if TYPE_CHECKING:
    from edge_bert.compress.train.qat.integers.integer_student import IntegerStudent

Texts = tuple[Lessons, Lessons]


@dataclass(frozen=True)
class IntegerPlan:
    """What is trained for which recipe; `lessons` are to be learned, and held out."""

    calibrated: CalibratedEncoder
    recipe: Recipe
    lessons: Texts
    settings: TrainingSettings
    losses: LossWeights

    @property
    def lengths(self) -> tuple[int, ...]:
        """The tokens of every batch that the texts can make, of those held out in finer steps."""
        longest = [int(lesson.texts.lengths.max()) for lesson in self.lessons]
        scored = range(BUCKET, -(-longest[1] // BUCKET) * BUCKET + 1, BUCKET)
        doubled = double_lengths(np.arange(1, longest[0] + 1))
        return tuple(sorted({*scored, *map(int, doubled)}))


@dataclass(frozen=True)
class LearnedIntegers:
    """What training found, as a build takes it, and the curve of both halves.

    `weights` are those of the trained encoder as if it had never been rewritten, in float.
    """

    encoder: LearnedEncoder
    weights: EncoderWeights
    curve: TrainingCurve


def learn_integers(plan: IntegerPlan, folder: Path, report: Report = no_report) -> LearnedIntegers:
    """Train, and give the integers and the ranges; `folder` is the run's own.

    Where training only made it worse on the held-out texts, they are those of calibration, or of
    the first half. A run that was cut short goes on. Raises InputError for a number of epochs that
    cannot be halved, RefusedError for a head that integers do not have, and what training raises.
    """
    check_halves(plan.settings)
    calibrated = start_encoder(plan.calibrated, plan.recipe)
    second = plan.settings.epochs // 2
    first_curve, student = _train(
        plan, calibrated, plan.settings.epochs - second, folder / "ranges", report, learns=True
    )
    half = take_training(calibrated, plan.recipe, student.matrices, student.ranges)
    curve, student = _train(plan, half, second, folder / "weights", report, learns=False)
    whole = _join_curves(first_curve, curve)
    start = -math.inf if first_curve.start_score is None else first_curve.start_score
    between = first_curve.best_score
    if max(start, between) > curve.best_score:
        learned = between >= start  # the first half was of use, and the second was not
        half, student = _start_over(plan, half if learned else calibrated)
        step, score = (first_curve.best_step, between) if learned else (0, start)
        whole = msgspec.structs.replace(whole, best_step=step, best_score=score)
    trained = take_training(half, plan.recipe, student.matrices, {})
    encoder = _export(plan.recipe, trained, student)
    weights = undo_rewrites(calibrated.weights, calibrated.equalized, encoder.equalized)
    return LearnedIntegers(encoder, weights, whole)


def _start_over(
    plan: IntegerPlan, calibrated: CalibratedEncoder
) -> tuple[CalibratedEncoder, IntegerStudent]:
    """An encoder as it was before a half of the training, with its ranges fast."""
    student = start_student(calibrated, plan.recipe, plan.lengths[:1], learns_ranges=False)
    return take_training(calibrated, plan.recipe, student.matrices, {}), student


def check_halves(settings: TrainingSettings) -> None:
    """Raises InputError for epochs that cannot be halved."""
    if settings.epochs < 2:
        raise InputError(
            f"--epochs {settings.epochs}: ranges are learned in the first half of the epochs and "
            "stand fast in the second; give 2 or more."
        )


def _train(
    plan: IntegerPlan,
    calibrated: CalibratedEncoder,
    epochs: int,
    folder: Path,
    report: Report,
    *,
    learns: bool,
) -> tuple[TrainingCurve, IntegerStudent]:
    """One half of the training."""
    student = start_student(calibrated, plan.recipe, plan.lengths, learns_ranges=learns)
    settings = msgspec.structs.replace(plan.settings, epochs=epochs)
    weights = calibrated.weights
    curve = teach_integers(
        student,
        weights.input_names,
        weights.head,
        plan.lessons,
        settings,
        plan.losses,
        folder,
        report,
    )
    return curve, student


def _join_curves(first: TrainingCurve, second: TrainingCurve) -> TrainingCurve:
    """One curve of both halves; the second one's best weights are the run's."""
    last = first.points[-1]
    moved = [
        msgspec.structs.replace(
            point, step=point.step + last.step, seconds=point.seconds + last.seconds
        )
        for point in second.points
    ]
    return msgspec.structs.replace(
        second,
        points=(*first.points, *moved),
        best_step=second.best_step + last.step,
        start_score=first.start_score,
    )


def _export(recipe: Recipe, trained: CalibratedEncoder, student: IntegerStudent) -> LearnedEncoder:
    quantized = {WORD_TABLE: trained.constants[WORD_TABLE]}
    matrices = student.matrices
    quantized |= {name_kernel(name): quantize_matrix(part) for name, part in matrices.items()}
    biases = {name: part.bias for name, part in matrices.items()}
    return learn_encoder(recipe.name, trained, quantized, biases, trained.ranges.learned)
