"""A classifier of texts: one class each."""

from __future__ import annotations

import numpy as np

from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.new_head import add_classifier, strip_head
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError
from edge_bert.evaluate.class_labels import match_labels
from edge_bert.pipeline.train.heads.head_kind import HeadKind, compute_vectors
from edge_bert.pipeline.train.heads.matching import share_labels
from edge_bert.pipeline.train.labels import tokenize_texts
from edge_bert.records.checkpoint import Head, Task


def choose_head(data: EvaluationSet, own: Head | None, asked: bool) -> Head:
    """The model's classifier where it has the data's classes, else one of these."""
    if own is not None:
        try:
            if share_labels(data.name, data.labels, own, data.label_names):
                return own
        except DataError:
            if not asked:
                raise
    return Head(Task.CLASSIFICATION, labels=list_classes(data), activation="softmax")


def list_classes(data: EvaluationSet) -> tuple[str, ...]:
    """The names of the classes, in the order of their names, or of their numbers.

    Raises DataError for fewer than two, and for a class with a single text.
    """
    names, counts = np.unique(np.asarray(data.labels), return_counts=True)
    if len(names) < 2:
        raise DataError(
            f"{data.name}: all texts have the label {names[0]!s}; give several classes."
        )
    if counts.min() < 2:
        alone = names[int(counts.argmin())]
        raise DataError(
            f"{data.name}: the label {alone!s} has one text; give each class at least two."
        )
    return tuple(_name_class(name, data.label_names) for name in names.tolist())


def _name_class(label: int | str, label_names: tuple[str, ...]) -> str:
    """The data's own name of a number, where it has one."""
    named = isinstance(label, int) and 0 <= label < len(label_names)
    return label_names[int(label)] if named else str(label)


def make_examples(data: EvaluationSet, tokenizer: Tokenizer, head: Head) -> LabelledTexts:
    """Texts, or pairs of texts as one input, with the number of their class [n]."""
    numbers = match_labels(data.name, data.labels, head, data.label_names)
    texts = tokenize_texts(tokenizer, data.sentences, data.second)
    return LabelledTexts(texts, numbers.astype(np.int32))


def add_head(weights: EncoderWeights, head: Head, examples: LabelledTexts) -> EncoderWeights:
    """A last layer that knows each class by the mean of its texts."""
    stripped = strip_head(weights)
    vectors = compute_vectors(stripped, examples)
    return add_classifier(stripped, head.labels, head.activation, vectors, examples.labels)


KIND = HeadKind(choose_head, make_examples, add_head, lambda data: set(map(str, data.labels)))
