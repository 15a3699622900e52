"""Agreement with labels: Spearman's rank correlation for pairs, accuracy for classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.errors import DataError
from edge_bert.evaluate.outputs import unit_length
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray, Head


def score_pairs(
    dataset: str, first: FloatArray, second: FloatArray, scores: Sequence[float]
) -> LabelScore:
    """Spearman between cosine similarity of embeddings [n, hidden] and `scores`, in -1 to 1.

    A model that finds every pair equally alike agrees with nothing: 0. Raises DataError where the
    scores are all the same.
    """
    from scipy.stats import spearmanr

    if len(set(scores)) < 2:
        raise DataError(f"{dataset}: every score is the same; a rank correlation needs several.")
    similarity = np.sum(unit_length(first) * unit_length(second), axis=-1)
    alike = np.ptp(similarity) == 0
    value = 0.0 if alike else float(spearmanr(similarity, np.asarray(scores)).statistic)
    return LabelScore(dataset=dataset, metric="spearman", value=round(value, 6), count=len(scores))


def score_classes(
    dataset: str, outputs: FloatArray, labels: Sequence[float | str], head: Head
) -> LabelScore:
    """Share of rows whose largest output [n, labels] is the labelled class.

    Labels are numbers of classes, or the names that `head` gives them, in any case. Raises
    DataError for one that is neither.
    """
    wanted = _class_numbers(dataset, labels, head)
    value = float(np.mean(outputs.argmax(axis=-1) == wanted))
    return LabelScore(dataset=dataset, metric="accuracy", value=round(value, 6), count=len(wanted))


def _class_numbers(
    dataset: str, labels: Sequence[float | str], head: Head
) -> npt.NDArray[np.int64]:
    numbers = {name.lower(): index for index, name in enumerate(head.labels)}
    numbers |= {name: index for index, name in enumerate(head.labels)}
    found = [
        numbers.get(label, numbers.get(label.lower(), -1))
        if isinstance(label, str)
        else (int(label) if label == int(label) else -1)
        for label in labels
    ]
    unknown = {
        str(label)
        for label, number in zip(labels, found, strict=True)
        if not 0 <= number < len(head.labels)
    }
    if unknown:
        raise DataError(
            f"{dataset}: labels {', '.join(sorted(unknown)[:3])} are not among the model's "
            f"({', '.join(head.labels[:5])}{', …' if len(head.labels) > 5 else ''})."
        )
    return np.asarray(found, np.int64)
