"""A classifier of texts with several labels at once: a sigmoid for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.new_head import add_layer, fit_targets, strip_head
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.errors import DataError
from edge_bert.evaluate.label_sets import match_label_sets, split_labels
from edge_bert.pipeline.train.heads.head_kind import HeadKind, compute_vectors
from edge_bert.pipeline.train.heads.matching import share_labels
from edge_bert.pipeline.train.labels import tokenize_texts
from edge_bert.records.checkpoint import Head, Task

FLAGS = {"0", "1", "0.0", "1.0", "true", "false"}
SLOPE = 4.0  # of logits by probabilities near one half
NO_LABELS = Head(Task.CLASSIFICATION)
Cells = Sequence[tuple[str, ...]]


def choose_head(data: EvaluationSet, own: Head | None, asked: bool) -> Head:
    """The model's classifier where it has the data's labels, else one of these."""
    if own is not None:
        try:
            if _fits(data, own):
                return own
        except DataError:
            if not asked:
                raise
    return Head(Task.CLASSIFICATION, labels=_name_labels(data), activation="sigmoid")


def _fits(data: EvaluationSet, own: Head) -> bool:
    cells = read_cells(data, own)
    if _are_flags(cells) and len(cells[0]) == len(own.labels):
        return True
    items = {item for cell in cells for item in cell}
    return share_labels(data.name, items, own, data.label_names)


def read_cells(data: EvaluationSet, head: Head = NO_LABELS) -> Cells:
    """The labels of each row: its list, or what stands between the separators of its cell."""
    return data.label_sets or split_labels(data.labels, head)


def _are_flags(cells: Cells) -> bool:
    """Whether each row has a 0 or 1 for every label, and not the labels themselves."""
    widths = {len(cell) for cell in cells}
    flags = all(item.lower() in FLAGS for cell in cells for item in cell)
    return flags and len(widths) == 1 and any(len(set(cell)) < len(cell) for cell in cells)


def _name_labels(data: EvaluationSet) -> tuple[str, ...]:
    """The labels in the order of their names, or of their numbers.

    Raises DataError for fewer than two.
    """
    cells, names = read_cells(data), data.label_names
    if _are_flags(cells):
        count = len(cells[0])
        return names if len(names) == count else tuple(f"LABEL_{i}" for i in range(count))
    items = sorted({item for cell in cells for item in cell})
    if len(items) < 2:
        raise DataError(f"{data.name}: has fewer than two labels; give rows with several of them.")
    if all(item.isdigit() for item in items):
        numbers = sorted(items, key=int)
        last = int(numbers[-1])
        return tuple(names[int(item)] for item in numbers) if last < len(names) else (*numbers,)
    return tuple(items)


def make_examples(data: EvaluationSet, tokenizer: Tokenizer, head: Head) -> LabelledTexts:
    """Texts, or pairs of texts as one input, with a 0 or 1 for each label [n, labels]."""
    flags = match_label_sets(data.name, read_cells(data, head), head, data.label_names)
    texts = tokenize_texts(tokenizer, data.sentences, data.second)
    return LabelledTexts(texts, flags.astype(np.float32))


def add_head(weights: EncoderWeights, head: Head, examples: LabelledTexts) -> EncoderWeights:
    """A last layer that is nearest to the labels of the texts."""
    stripped = strip_head(weights)
    fitted = fit_targets(compute_vectors(stripped, examples), examples.labels)
    dense = DenseWeights(fitted.kernel * SLOPE, (fitted.bias - 0.5) * SLOPE)
    return add_layer(stripped, head, dense)


def list_labels(data: EvaluationSet) -> set[str]:
    """The labels that some row has."""
    return {item for cell in read_cells(data) for item in cell}


KIND = HeadKind(choose_head, make_examples, add_head, list_labels)
