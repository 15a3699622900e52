"""Distillation: a smaller encoder learns to give what a larger one gives, on texts or labels.

Requires: a student with the teacher's tokenizer and width of output. Ensures: the same structure,
with the weights that were nearest to the teacher (or to the labels) on held-out texts. Adds to the
loss: what `losses` says, on outputs that were computed once. Frees: what `settings.freeze` does not
name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_bert.compress.train.batches import Array, Targets, TokenizedTexts
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.compress.train.training_task import TrainingTask
from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray, Task
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings

if TYPE_CHECKING:
    from edge_bert.compress.train.teacher import TeacherOutputs


OUTPUT = "teacher.output"


@dataclass(frozen=True)
class Lessons:
    """Texts with the teacher's outputs for them; `labels` [n] below 0 where a text has none.

    `pairs` are layers of the student and those of the teacher whose rows they should have; without,
    the student's are spread over the teacher's.
    """

    texts: TokenizedTexts
    outputs: TeacherOutputs
    labels: Array | None = None
    pairs: tuple[tuple[int, int], ...] = ()


def distill_student(
    weights: EncoderWeights,
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
) -> tuple[EncoderWeights, TrainingCurve]:
    """The student's weights after training, and the curve of the run, which lives in `folder`.

    Where training only made it worse on the held-out texts, they are those that it started with.
    Raises what `train_model` raises.
    """
    from edge_bert.compress.train.keras_student import read_weights

    task = make_distillation(weights, trained, held_out, settings, losses)
    curve = train_model(task, settings, folder, report)
    if curve.only_lost:
        return weights, curve.return_to_start()
    return read_weights(task.model, weights), curve


def make_distillation(
    weights: EncoderWeights,
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
) -> TrainingTask:
    """What the loop trains: a student on the lessons, judged by those that are held out."""
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student
    from edge_bert.compress.train.objective import choose_label_loss, make_objective

    model = build_student(weights, settings.freeze)
    names, head = weights.input_names, weights.head
    forward = ForwardPass(model, names)
    label_loss = choose_label_loss(trained.labels, head, settings.smoothing)
    places = trained.outputs.find_places(weights, trained.pairs)
    return TrainingTask(
        model=model,
        input_names=names,
        texts=trained.texts,
        targets=list_targets(trained),
        objective=make_objective(model, names, losses, label_loss, places),
        score=lambda: score_student(forward.run(held_out.texts)["output"], held_out, head.task),
        metric=name_metric(held_out, head.task),
    )


def list_targets(lessons: Lessons) -> Targets:
    """The teacher's outputs and the labels under the names that the objective reads."""
    outputs = {f"teacher.{name}": array for name, array in lessons.outputs.arrays.items()}
    by_text = {OUTPUT: outputs.pop(OUTPUT)}
    if lessons.labels is not None:
        by_text["labels"] = lessons.labels
    return Targets(by_text, outputs)


def name_metric(held_out: Lessons, task: Task) -> str:
    """What `score_student` gives."""
    if held_out.labels is not None:
        return "accuracy"
    return "cosine to the teacher" if task is Task.EMBEDDING else "agreement with the teacher"


def score_student(outputs: FloatArray, lessons: Lessons, task: Task) -> float:
    """Accuracy on labels; else the mean cosine to the teacher's embeddings, or equal classes."""
    expected = lessons.outputs.arrays["output"]
    if lessons.labels is not None:
        labelled = lessons.labels >= 0
        return float(np.mean(outputs.argmax(-1)[labelled] == lessons.labels[labelled]))
    if task is Task.CLASSIFICATION:
        return float(np.mean(outputs.argmax(-1) == expected.argmax(-1)))
    cosines = np.sum(normalize_rows(outputs) * normalize_rows(expected), axis=-1)
    return float(np.mean(cosines))
