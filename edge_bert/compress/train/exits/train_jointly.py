"""Exits and their body together: each exit learns from the last head, which keeps its answers.

Requires: a float body, and exits whose heads know its rows. Ensures: the same structure, with the
weights whose heads scored best on held-out texts, later ones counting more. Adds to the loss: what
`train_heads` adds, and the last head's distance to the model's answers before. Frees: what
`settings.freeze` does not name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from edge_bert.compress.train.backends.choose_backend import Batch, Objective
from edge_bert.compress.train.batches import Array, Targets
from edge_bert.compress.train.distill import OUTPUT, Lessons, score_student
from edge_bert.compress.train.exits.answer_texts import answer_texts
from edge_bert.compress.train.exits.exit_objective import sum_depths, weigh_depths
from edge_bert.compress.train.keras_student import build_student, read_weights
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.compress.train.objective import LabelLoss, choose_label_loss, output_terms
from edge_bert.compress.train.training_task import TrainingTask
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings


def train_jointly(
    weights: EncoderWeights,
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
) -> tuple[EncoderWeights, TrainingCurve]:
    """The weights with body and exits trained, and the curve of the run, which lives in `folder`.

    Where training only made the heads worse on held-out texts, the weights are those that it
    started with. Raises what `train_model` raises.
    """
    model, names = build_student(weights, settings.freeze), weights.input_names
    depths = weigh_depths([*(x.after for x in weights.exits), weights.config.layers])
    label_loss = choose_label_loss(trained.labels, weights.head, settings.smoothing)
    by_text: dict[str, Array] = {OUTPUT: trained.outputs.arrays["output"]}
    if trained.labels is not None:
        by_text["labels"] = trained.labels

    def score() -> float:
        answers = answer_texts(model, names, held_out.texts)
        outputs = [*answers.exits, answers.whole]
        scores = [score_student(output, held_out, weights.head.task) for output in outputs]
        return float(np.average(scores, weights=depths))

    objective = _make_objective(model, names, losses, label_loss, depths)
    targets, metric = Targets(by_text), _name_metric(held_out)
    task = TrainingTask(model, names, trained.texts, targets, objective, score, metric)
    curve = train_model(task, settings, folder, report)
    if curve.only_lost:
        return weights, curve.return_to_start()
    return read_weights(model, weights), curve


def _answer(model: Any, names: Sequence[str], batch: Batch) -> list[Any]:
    values = model.run(**{name: batch[name] for name in names})
    return [*(exit_values.output for exit_values in values.exits), values.output]


def _make_objective(
    model: Any,
    names: Sequence[str],
    losses: LossWeights,
    label_loss: LabelLoss | None,
    depths: Sequence[float],
) -> Objective:
    def objective(batch: Batch) -> dict[str, Any]:
        *early, last = _answer(model, names, batch)
        taught = ops.stop_gradient(last)
        terms = [output_terms(output, taught, batch, losses, label_loss) for output in early]
        terms.append(output_terms(last, batch[OUTPUT], batch, losses, label_loss))
        return sum_depths(terms, depths)

    return objective


def _name_metric(held_out: Lessons) -> str:
    kind = "agreement with the model before" if held_out.labels is None else "accuracy"
    return f"{kind}, mean of exits"
