"""The labels of a data set as training takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.compress.train.batches import Array, TokenizedTexts
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import DataError


def tokenize_texts(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] = ()
) -> TokenizedTexts:
    """Texts, or pairs of texts, as training takes them."""
    encodings = tokenizer.encode_batch(texts, pairs or None)
    ids = [encoding.ids for encoding in encodings]
    types = [encoding.type_ids for encoding in encodings]
    return TokenizedTexts.of(ids, types, tokenizer.pad_id, tokenizer.unpooled)


def label_texts(data: EvaluationSet, tokenizer: Tokenizer, labels: Array) -> LabelledTexts:
    """The sentences of a data set, tokenized, with their labels."""
    return LabelledTexts(tokenize_texts(tokenizer, data.sentences, data.second), labels)


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
    return tuple(str(name) for name in names)


def number_classes(data: EvaluationSet, classes: Sequence[str]) -> npt.NDArray[np.int32]:
    """The place of each text's label in `classes`; DataError for one that is not there."""
    numbers = {name: number for number, name in enumerate(classes)}
    unknown = {str(label) for label in data.labels} - set(numbers)
    if unknown:
        raise DataError(
            f"{data.name}: the labels {', '.join(sorted(unknown)[:3])} are not among the model's "
            f"({', '.join(classes[:5])}{', …' if len(classes) > 5 else ''})."
        )
    return np.array([numbers[str(label)] for label in data.labels], np.int32)
