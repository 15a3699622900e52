"""Right answers by class on held-out texts, of a model and of the one that it came from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.compress.train.batches import Array, TokenizedTexts
from edge_bert.compress.train.distill import Lessons
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray, Task
from edge_bert.records.training import ClassScore


def score_classes(
    outputs: FloatArray, labels: Array, names: Sequence[str], reference: FloatArray | None = None
) -> tuple[ClassScore, ...]:
    """How many texts of each class `outputs` [n, classes] and `reference` get right.

    `labels` [n] are places among `names`; a text with one below 0 has none and is left out.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    right = _count_right(outputs, labels, len(names))
    earlier = None if reference is None else _count_right(reference, labels, len(names))
    return tuple(
        ClassScore(
            name=name,
            count=int(counts[place]),
            right=int(right[place]),
            reference=None if earlier is None else int(earlier[place]),
        )
        for place, name in enumerate(names)
    )


def score_lessons(weights: EncoderWeights, held_out: Lessons) -> tuple[ClassScore, ...]:
    """The classes of a student beside its teacher's; none where texts or model have no classes."""
    labels, head = held_out.labels, weights.head
    if labels is None or head.task is not Task.CLASSIFICATION or len(head.labels) < 2:
        return ()
    teacher = np.asarray(held_out.outputs.arrays["output"])
    return score_classes(run_outputs(weights, held_out.texts), labels, head.labels, teacher)


def run_outputs(weights: EncoderWeights, texts: TokenizedTexts) -> FloatArray:
    """The outputs [n, width] of an encoder for texts."""
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student

    return np.asarray(ForwardPass(build_student(weights), weights.input_names).run(texts)["output"])


def _count_right(outputs: FloatArray, labels: Array, classes: int) -> npt.NDArray[np.int64]:
    right = labels[(labels >= 0) & (outputs.argmax(axis=-1) == labels)]
    return np.bincount(right, minlength=classes)
