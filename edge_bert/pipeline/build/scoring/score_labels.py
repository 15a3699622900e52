"""The scores of a model on labelled data, by what its head gives and what the data have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.errors import DataError
from edge_bert.evaluate.label_sets import match_label_sets, score_label_sets, split_labels
from edge_bert.evaluate.labels import score_classes, score_pairs
from edge_bert.evaluate.ranking import score_ranking
from edge_bert.evaluate.regression import score_numbers
from edge_bert.pipeline.build.scoring.score_tokens import check_token_data
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray, Head, Task

# Finished outputs [n, width] of sentences, each with a second one where there are pairs.
OutputsOf = Callable[[Sequence[str], Sequence[str] | None], FloatArray]
LabelScores = tuple[LabelScore, ...]

WANTED = {
    "embedding": "an embedding model needs pairs with scores, or queries with passages",
    "classes": "a classifier needs labelled sentences",
    "number": "a model with one output needs sentences or pairs with scores, or queries with "
    "passages",
    "label sets": "a classifier with several labels at once needs sentences with their labels",
}


def score_model(data: EvaluationSet, head: Head, outputs_of: OutputsOf) -> LabelScores:
    """The metrics of a head's kind on labelled data; the first is the one that budgets look at.

    Embeddings: Spearman for pairs, NDCG@10 and MRR@10 for rankings. Classes: accuracy. One output:
    Spearman, Pearson and RMSE, or the two of rankings. Several labels at once: mean average
    precision and micro F1. Raises DataError where model and data differ.
    """
    kind = _kind_of(head)
    score = _SCORES.get((kind, data.kind))
    if score is None:
        raise DataError(f"{data.name} has {DESCRIPTIONS[data.kind]}; {WANTED[kind]}.")
    return score(data, head, outputs_of)


def check_data(data: EvaluationSet, head: Head) -> None:
    """Raise DataError where labelled data do not fit a head, before anything is built."""
    if head.gives_tokens:
        check_token_data(data, head)
        return
    width = max(len(head.labels), 1)
    score_model(data, head, lambda texts, _: np.zeros((len(texts), width), np.float32))


def _kind_of(head: Head) -> str:
    if head.task is Task.EMBEDDING:
        return "embedding"
    if head.task is not Task.CLASSIFICATION:
        raise DataError(f"A model for {head.task.value.replace('_', ' ')} has no scores here.")
    if len(head.labels) == 1:
        return "number"
    return "label sets" if head.activation == "sigmoid" else "classes"


def _score_pairs(data: EvaluationSet, _: Head, outputs_of: OutputsOf) -> LabelScores:
    first, second = outputs_of(data.sentences, None), outputs_of(data.second, None)
    return (score_pairs(data.name, first, second, [float(label) for label in data.labels]),)


def _score_classes(data: EvaluationSet, head: Head, outputs_of: OutputsOf) -> LabelScores:
    classes = outputs_of(data.sentences, data.second or None)
    return (score_classes(data.name, classes, data.labels, head, data.label_names),)


def _score_numbers(data: EvaluationSet, head: Head, outputs_of: OutputsOf) -> LabelScores:
    labels = _numbers(data)
    outputs = outputs_of(data.sentences, data.second or None)[:, 0]
    return score_numbers(data.name, outputs, labels, bounded=head.activation == "sigmoid")


def _rank_by_output(data: EvaluationSet, _: Head, outputs_of: OutputsOf) -> LabelScores:
    scores = outputs_of(data.sentences, data.second)[:, 0]
    return score_ranking(data.name, data.sentences, _numbers(data), scores.tolist())


def _rank_by_cosine(data: EvaluationSet, _: Head, outputs_of: OutputsOf) -> LabelScores:
    """Queries and passages come up many times, and are run once."""
    queries = _embed_distinct(data.sentences, outputs_of)
    passages = _embed_distinct(data.second, outputs_of)
    cosines = np.sum(queries * passages, axis=-1)
    return score_ranking(data.name, data.sentences, _numbers(data), cosines.tolist())


def _score_label_sets(data: EvaluationSet, head: Head, outputs_of: OutputsOf) -> LabelScores:
    cells = data.label_sets or split_labels(data.labels, head)
    expected = match_label_sets(data.name, cells, head, data.label_names)
    return score_label_sets(data.name, outputs_of(data.sentences, data.second or None), expected)


def _embed_distinct(texts: Sequence[str], outputs_of: OutputsOf) -> FloatArray:
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    vectors = normalize_rows(outputs_of(tuple(numbers), None))
    return vectors[[numbers[text] for text in texts]]


def _numbers(data: EvaluationSet) -> list[float]:
    try:
        numbers = [float(label) for label in data.labels]
    except ValueError:
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise DataError(f"{data.name} has names as labels; a model with one output needs numbers.")
    return numbers


DESCRIPTIONS = {
    "pairs": "pairs with scores",
    "scored": "sentences with scores",
    "labelled": "classes",
    "label sets": "several labels a row",
    "ranking": "queries with passages",
    "entities": "entities",
    "answers": "questions with answers",
}
_SCORES: dict[tuple[str, str], Callable[[EvaluationSet, Head, OutputsOf], LabelScores]] = {
    ("embedding", "pairs"): _score_pairs,
    ("embedding", "ranking"): _rank_by_cosine,
    ("classes", "labelled"): _score_classes,
    ("number", "pairs"): _score_numbers,
    ("number", "scored"): _score_numbers,
    ("number", "labelled"): _score_numbers,
    ("number", "ranking"): _rank_by_output,
    ("label sets", "labelled"): _score_label_sets,
    ("label sets", "label sets"): _score_label_sets,
}
