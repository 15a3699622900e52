"""Distillation of an encoder that computes in integers from the float one, by its outputs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge_bert.compress.train.batches import BUCKET
from edge_bert.compress.train.distill import Lessons, list_targets, name_metric, score_student
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.compress.train.training_task import TrainingTask
from edge_bert.records.checkpoint import Head
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings

if TYPE_CHECKING:
    from edge_bert.compress.train.qat.integers.integer_student import IntegerStudent


@dataclass(frozen=True)
class _DoublingTask(TrainingTask):
    """A task whose batches are padded to few lengths: of each, a graph takes half a minute."""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The tokens that each text is padded to."""
        return double_lengths(super().lengths)


def double_lengths(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The least of 8, 16, 32 and so on that holds each number of tokens, none beyond the longest.

    A model may have no positions for twice its longest text.
    """
    doublings = np.ceil(np.log2(np.maximum(lengths / BUCKET, 1.0)))
    longest = -(-lengths.max() // BUCKET) * BUCKET
    return np.asarray(np.minimum(BUCKET * 2**doublings, longest), np.int64)


def teach_integers(
    student: IntegerStudent,
    input_names: Sequence[str],
    head: Head,
    lessons: tuple[Lessons, Lessons],
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
) -> TrainingCurve:
    """Train the student on the first of `lessons`, judged by the second; gives the run's curve.

    The student keeps what scored best on the held-out texts. Raises what `train_model` raises.
    """
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.objective import choose_label_loss, make_objective

    trained, held_out = lessons
    forward = ForwardPass(student, input_names)
    label_loss = choose_label_loss(trained.labels, head, settings.smoothing)
    task = _DoublingTask(
        model=student,
        input_names=input_names,
        texts=trained.texts,
        targets=list_targets(trained),
        objective=make_objective(student, input_names, losses, label_loss),
        score=lambda: score_student(forward.run(held_out.texts)["output"], held_out, head.task),
        metric=name_metric(held_out, head.task),
    )
    return train_model(task, settings, folder, report)
