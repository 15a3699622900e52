"""Agreement with several labels at once: mean average precision, and F1 at one half."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.errors import DataError
from edge_bert.evaluate.class_labels import match_labels
from edge_bert.evaluate.spelling import fold_name
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray, Head
from edge_bert.text import parse_whole_number

Flags = npt.NDArray[np.bool_]
THRESHOLD = 0.5
_SEPARATORS = (re.compile(r"\s*\|\s*"), re.compile(r"\s*;\s*"), re.compile(r"\s*,\s*"))
_FLAGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


def score_label_sets(dataset: str, outputs: FloatArray, expected: Flags) -> tuple[LabelScore, ...]:
    """Mean average precision over the labels, and micro F1 where an output above 0.5 is a label.

    Both of outputs [n, labels] from 0 to 1. Average precision is the sum over the distinct outputs
    of the precision there times the rise of the recall (Manning et al. 2008, 8.4); labels that no
    row has are left out of its mean. Raises DataError where no row has a label.
    """
    occurring = np.flatnonzero(expected.any(axis=0))
    if not len(occurring):
        raise DataError(f"{dataset}: no row has a label; give labelled rows.")
    precisions = [_average_precision(outputs[:, i], expected[:, i]) for i in occurring]
    predicted = outputs > THRESHOLD
    right = int((predicted & expected).sum())
    f1 = 2 * right / (int(predicted.sum()) + int(expected.sum()))
    return (
        LabelScore(
            dataset, "mean_average_precision", round(float(np.mean(precisions)), 6), len(outputs)
        ),
        LabelScore(dataset, "micro_f1", round(f1, 6), len(outputs)),
    )


def match_label_sets(
    dataset: str, cells: Sequence[Sequence[str]], head: Head, label_names: Sequence[str] = ()
) -> Flags:
    """Which labels [n, labels] each row has.

    Cells are lists of labels, or of one 0 or 1 for each label of the model. Raises DataError for a
    label that the model does not have, and where a list may be either.
    """
    width = len(head.labels)
    flags = [[_FLAGS.get(item.lower()) for item in cell] for cell in cells]
    if all(len(row) == width and None not in row for row in flags):
        if all(len(set(row)) == len(row) for row in flags):
            raise DataError(
                f"{dataset}: its lists may be of labels or of a 0 or 1 for each; give names."
            )
        return np.asarray(flags, np.bool_)
    items = [item for cell in cells for item in cell]
    numbers = match_labels(dataset, items, head, label_names)
    rows = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
    expected = np.zeros((len(cells), width), np.bool_)
    expected[rows, numbers] = True
    return expected


def split_labels(cells: Sequence[float | str], head: Head) -> list[tuple[str, ...]]:
    """The labels in each cell: one, or several with `|`, `;` or `,` between them.

    A cell that is the name of one label of `head` is that label, whatever is in it.
    """
    names = {fold_name(name) for name in head.labels}
    return [_split_cell(str(cell), names) for cell in cells]


def _split_cell(cell: str, names: set[str]) -> tuple[str, ...]:
    if fold_name(cell) in names or parse_whole_number(cell) is not None:
        return (cell,)
    for separator in _SEPARATORS:
        parts = tuple(part for part in separator.split(cell.strip()) if part)
        if len(parts) > 1:
            return parts
    return (cell,)


def _average_precision(outputs: FloatArray, expected: Flags) -> float:
    order = np.argsort(-outputs, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(outputs[order])), len(order) - 1)
    right = np.cumsum(expected[order])[ends]
    recalls = np.diff(right, prepend=0) / right[-1]
    return float(np.sum(recalls * right / (ends + 1)))
