"""Agreement with labels: Spearman's rank correlation for pairs, accuracy for classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.errors import DataError
from edge_bert.evaluate.class_labels import match_labels
from edge_bert.evaluate.regression import correlate
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray, Head


def score_pairs(
    dataset: str, first: FloatArray, second: FloatArray, scores: Sequence[float]
) -> LabelScore:
    """Spearman correlation of the cosines of embeddings [n, hidden] with `scores`, from -1 to 1.

    It is 0 where all cosines are equal. Raises DataError where all scores are equal.
    """
    if len(set(scores)) < 2:
        raise DataError(f"{dataset}: all scores are equal; give pairs with different scores.")
    similarity = np.sum(normalize_rows(first) * normalize_rows(second), axis=-1)
    value, _ = correlate(similarity, np.asarray(scores))
    return LabelScore(dataset=dataset, metric="spearman", value=value, count=len(scores))


def score_classes(
    dataset: str,
    outputs: FloatArray,
    labels: Sequence[float | str],
    head: Head,
    label_names: Sequence[str] = (),
) -> LabelScore:
    """Accuracy of the outputs [n, labels]: the share of rows whose largest is the labelled class.

    Labels, and the data's own names of theirs, are what `match_labels` takes. Raises DataError for
    a label that `head` does not have.
    """
    expected = match_labels(dataset, labels, head, label_names)
    value = float(np.mean(outputs.argmax(axis=-1) == expected))
    return LabelScore(dataset, "accuracy", round(value, 6), count=len(expected))
