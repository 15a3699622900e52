"""Heads of exits alone, on rows of the body that were computed once.

Requires: the whole model's outputs with its pooled rows. Ensures: the exits whose answers to
held-out texts were nearest to the whole model's. Adds to the loss: the distance to these, and the
error on labels. Frees: the heads of the exits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_bert.compress.train.backends.choose_backend import Batch, make_forward
from edge_bert.compress.train.batches import Array, Targets
from edge_bert.compress.train.distill import OUTPUT, Lessons, score_student
from edge_bert.compress.train.exits.exit_heads import ExitHeads, read_heads
from edge_bert.compress.train.exits.exit_objective import sum_depths, weigh_depths
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.compress.train.objective import choose_label_loss, output_terms
from edge_bert.compress.train.training_task import TrainingTask
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings

BATCH = 256
METRIC = "agreement of the exits with the whole model"


def train_heads(
    weights: EncoderWeights,
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
) -> tuple[EncoderWeights, TrainingCurve]:
    """The weights with the heads of their exits trained, and the curve of the run in `folder`.

    Lessons have `pooled.K` among their outputs, the rows after layer K. Where training only made
    the heads worse on held-out texts, they stay as they were, such as the nearest linear maps.
    Raises what `train_model` raises.
    """
    model, names = ExitHeads(weights), name_rows(weights)
    depths = weigh_depths([exit_weights.after for exit_weights in weights.exits])
    label_loss = choose_label_loss(trained.labels, weights.head, settings.smoothing)

    def objective(batch: Batch) -> dict[str, Any]:
        answers = model.answer([batch[name] for name in names])
        taught = batch[OUTPUT]
        terms = [output_terms(output, taught, batch, losses, label_loss) for output in answers]
        return sum_depths(terms, depths)

    def score() -> float:
        unlabelled = Lessons(held_out.texts, held_out.outputs)
        outputs = answer_rows(model, names, held_out)
        scores = [score_student(output, unlabelled, weights.head.task) for output in outputs]
        return float(np.average(scores, weights=depths))

    targets = _list_targets(names, trained)
    task = TrainingTask(model, (), trained.texts, targets, objective, score, METRIC)
    curve = train_model(task, settings, folder, report)
    if curve.only_lost:
        return weights, curve.return_to_start()
    return read_heads(model, weights), curve


def settle_heads(settings: TrainingSettings) -> TrainingSettings:
    """The settings of heads alone: all that is trained has the rate of heads."""
    rate = settings.learning_rate * settings.head_rate
    return msgspec.structs.replace(settings, learning_rate=rate, head_rate=1.0)


def name_rows(weights: EncoderWeights) -> list[str]:
    """The names of the pooled rows that each exit reads, among a batch's."""
    return [f"teacher.pooled.{exit_weights.after - 1}" for exit_weights in weights.exits]


def answer_rows(model: ExitHeads, names: Sequence[str], lessons: Lessons) -> list[FloatArray]:
    """What each exit answers to kept rows, [n, width] each."""

    def compute(batch: Batch) -> dict[str, Any]:
        return dict(zip(names, model.answer([batch[name] for name in names]), strict=True))

    forward = make_forward(model, compute)
    rows = {name: lessons.outputs.arrays[name.removeprefix("teacher.")] for name in names}
    parts: list[dict[str, Array]] = []
    for first in range(0, len(lessons.texts), BATCH):
        count = min(BATCH, len(lessons.texts) - first)
        batch = {
            name: np.pad(
                np.asarray(array[first : first + count], np.float32), ((0, BATCH - count), (0, 0))
            )
            for name, array in rows.items()
        }
        parts.append({name: array[:count] for name, array in forward(batch).items()})
    return [np.concatenate([part[name] for part in parts]) for name in names]


def _list_targets(names: Sequence[str], lessons: Lessons) -> Targets:
    outputs = lessons.outputs.arrays
    by_text: dict[str, Array] = {
        name: outputs[name.removeprefix("teacher.")] for name in (OUTPUT, *names)
    }
    if lessons.labels is not None:
        by_text["labels"] = lessons.labels
    return Targets(by_text)
