"""Several labels at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from edge_bert.errors import DataError
from edge_bert.evaluate.label_sets import match_label_sets, score_label_sets, split_labels
from edge_bert.records.checkpoint import Head, Task

HEAD = Head(
    task=Task.CLASSIFICATION, labels=("toxic", "severe toxic", "a, b"), activation="sigmoid"
)


def test_by_hand() -> None:
    """Label 0: right at ranks 1 and 3, (1 + 2/3) / 2; label 1: right at rank 2, 1/2."""
    outputs = np.array([[0.9, 0.8], [0.6, 0.7], [0.4, 0.1]], np.float32)
    expected = np.array([[True, False], [False, True], [True, False]])
    precision, f1 = score_label_sets("d", outputs, expected)
    assert (precision.metric, precision.count) == ("mean_average_precision", 3)
    assert precision.value == pytest.approx((5 / 6 + 1 / 2) / 2, abs=1e-6)
    # Above one half are four outputs, two of them right; three labels: 2 * 2 / (4 + 3).
    assert (f1.metric, f1.value) == ("micro_f1", pytest.approx(4 / 7, abs=1e-6))


def test_against_scikit_learn() -> None:
    """Random outputs with ties; a label that no row has is left out of the mean."""
    rng = np.random.default_rng(2)
    outputs = rng.random((60, 5)).round(1).astype(np.float32)
    expected = rng.random((60, 5)) < 0.3
    expected[:, 4] = False
    precision, f1 = score_label_sets("d", outputs, expected)
    reference = average_precision_score(expected[:, :4], outputs[:, :4], average="macro")
    assert precision.value == pytest.approx(reference, abs=1e-6)
    reference = f1_score(expected, outputs > 0.5, average="micro")
    assert f1.value == pytest.approx(reference, abs=1e-6)


def test_rows_without_labels_are_refused() -> None:
    """There is nothing to be precise about."""
    with pytest.raises(DataError, match="no row has a label"):
        score_label_sets("d", np.zeros((2, 2), np.float32), np.zeros((2, 2), np.bool_))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([["toxic"], ["Severe_Toxic", "toxic"], []], [[1, 0, 0], [1, 1, 0], [0, 0, 0]]),
        ([["0", "2"], ["1"]], [[1, 0, 1], [0, 1, 0]]),
        ([["0", "1", "1"], ["0", "0", "0"]], [[0, 1, 1], [0, 0, 0]]),
        ([["0.0", "1.0", "1.0"]], [[0, 1, 1]]),
        ([["true", "false", "false"]], [[1, 0, 0]]),
    ],
)
def test_lists_of_labels(cells: list[list[str]], expected: list[list[int]]) -> None:
    """Names, numbers, or a 0 or 1 for each label of the model."""
    assert match_label_sets("d", cells, HEAD).astype(int).tolist() == expected


def test_a_list_that_may_be_either_is_refused() -> None:
    """[0, 1] of two labels is both of them, or the second alone."""
    head = Head(task=Task.CLASSIFICATION, labels=("a", "b"), activation="sigmoid")
    with pytest.raises(DataError, match="may be of labels or of a 0 or 1 for each; give names"):
        match_label_sets("d", [["0", "1"], ["1", "0"]], head)
    assert match_label_sets("d", [["0", "1"], ["0"]], head).astype(int).tolist() == [[1, 1], [1, 0]]


def test_labels_in_one_cell_are_separated() -> None:
    """By the separators that people use; a name that holds one is a name."""
    cells = ["toxic|Severe toxic", "toxic; a, b", "toxic,severe_toxic", "a, b", "2", 1]
    assert split_labels(cells, HEAD) == [
        ("toxic", "Severe toxic"),
        ("toxic", "a, b"),
        ("toxic", "severe_toxic"),
        ("a, b",),
        ("2",),
        ("1",),
    ]
    with pytest.raises(DataError, match="labels spam are not among the model's"):
        match_label_sets("d", split_labels(["toxic|spam"], HEAD), HEAD)
