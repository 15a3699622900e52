"""Scores of a model on labelled data, whatever runs the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import DataError
from edge_bert.evaluate.labels import score_classes, score_pairs
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray, Head, Task

# Finished outputs [n, width] of sentences, each with a second one where there are pairs.
OutputsOf = Callable[[Sequence[str], Sequence[str] | None], FloatArray]


def score_model(data: EvaluationSet, head: Head, outputs_of: OutputsOf) -> LabelScore:
    """Spearman for pairs, accuracy for classes. Raises DataError where model and data differ."""
    if data.kind == "pairs":
        if head.task is not Task.EMBEDDING:
            raise DataError(f"{data.name} has pairs; a classifier needs labelled sentences.")
        labels = [float(label) for label in data.labels]
        first, second = outputs_of(data.sentences, None), outputs_of(data.second, None)
        return score_pairs(data.name, first, second, labels)
    if head.task is not Task.CLASSIFICATION:
        raise DataError(f"{data.name} has classes; an embedding model needs pairs with scores.")
    classes = outputs_of(data.sentences, data.second or None)
    return score_classes(data.name, classes, data.labels, head)
