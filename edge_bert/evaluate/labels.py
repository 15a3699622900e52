"""Agreement with labels: Spearman's rank correlation for pairs, accuracy for classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.errors import DataError
from edge_bert.evaluate.outputs import normalize_rows
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray, Head


def score_pairs(
    dataset: str, first: FloatArray, second: FloatArray, scores: Sequence[float]
) -> LabelScore:
    """Spearman correlation of the cosines of embeddings [n, hidden] with `scores`, from -1 to 1.

    It is 0 where all cosines are equal. Raises DataError where all scores are equal.
    """
    from scipy.stats import spearmanr

    if len(set(scores)) < 2:
        raise DataError(f"{dataset}: all scores are equal; give pairs with different scores.")
    similarity = np.sum(normalize_rows(first) * normalize_rows(second), axis=-1)
    constant = np.ptp(similarity) == 0
    value = 0.0 if constant else float(spearmanr(similarity, np.asarray(scores)).statistic)
    return LabelScore(dataset=dataset, metric="spearman", value=round(value, 6), count=len(scores))


def score_classes(
    dataset: str, outputs: FloatArray, labels: Sequence[float | str], head: Head
) -> LabelScore:
    """Accuracy of the outputs [n, labels]: the share of rows whose largest is the labelled class.

    Labels are numbers of classes, or names of `head` in upper or lower case. Raises DataError for
    a label that is neither.
    """
    expected = _class_numbers(dataset, labels, head)
    value = float(np.mean(outputs.argmax(axis=-1) == expected))
    return LabelScore(dataset, "accuracy", round(value, 6), count=len(expected))


def _class_numbers(
    dataset: str, labels: Sequence[float | str], head: Head
) -> npt.NDArray[np.int64]:
    numbers = {name.lower(): index for index, name in enumerate(head.labels)}
    numbers |= {name: index for index, name in enumerate(head.labels)}
    class_numbers = [
        numbers.get(label, numbers.get(label.lower(), -1))
        if isinstance(label, str)
        else (int(label) if label == int(label) else -1)
        for label in labels
    ]
    unknown = {
        str(label)
        for label, number in zip(labels, class_numbers, strict=True)
        if not 0 <= number < len(head.labels)
    }
    if unknown:
        raise DataError(
            f"{dataset}: labels {', '.join(sorted(unknown)[:3])} are not among the model's "
            f"({', '.join(head.labels[:5])}{', …' if len(head.labels) > 5 else ''})."
        )
    return np.asarray(class_numbers, np.int64)
