"""Right answers by class on held-out texts, of a model and of the one that it came from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.compress.train.batches import Array, TokenizedTexts
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray
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


def run_outputs(weights: EncoderWeights, texts: TokenizedTexts) -> FloatArray:
    """The outputs [n, width] of an encoder for texts."""
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student

    return np.asarray(ForwardPass(build_student(weights), weights.input_names).run(texts)["output"])


def _count_right(outputs: FloatArray, labels: Array, classes: int) -> npt.NDArray[np.int64]:
    right = labels[(labels >= 0) & (outputs.argmax(axis=-1) == labels)]
    return np.bincount(right, minlength=classes)
