"""Agreement with labels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edge_bert.errors import DataError
from edge_bert.evaluate.labels import score_classes, score_pairs
from edge_bert.records.checkpoint import Head, Task

HEAD = Head(task=Task.CLASSIFICATION, labels=("negative", "positive"), activation="softmax")
OUTPUTS = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32)


def turned(degrees: list[float]) -> np.ndarray:
    """A vector per angle."""
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_spearman_goes_by_rank() -> None:
    """Closer vectors with higher scores: 1, whatever the steps; the other way round: -1."""
    first, second = turned([0, 0, 0, 0]), 7 * turned([90, 60, 10, 5])
    assert score_pairs("d", first, second, [0, 0.1, 0.2, 5]).value == 1
    assert score_pairs("d", first, second, [5, 4, 3, 0]).value == -1


def test_spearman_with_a_tie_and_a_swap() -> None:
    """Against the textbook's formula on average ranks."""
    score = score_pairs("d", turned([0] * 4), turned([80, 60, 40, 20]), [1, 3, 2, 2])
    ranks, expected = np.array([1, 2, 3, 4]), np.array([1, 4, 2.5, 2.5])
    assert score.value == pytest.approx(np.corrcoef(ranks, expected)[0, 1], abs=1e-6)
    assert (score.metric, score.count) == ("spearman", 4)


def test_a_model_that_finds_all_alike_scores_zero() -> None:
    """Not nan, which no manifest can hold, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = score_pairs("d", turned([0] * 3), turned([0] * 3), [1, 2, 3])
    assert score.value == 0


def test_equal_scores_are_no_ranking() -> None:
    """The data are at fault, and said to be."""
    with pytest.raises(DataError, match="all scores are equal"):
        score_pairs("d", turned([0, 1]), turned([1, 2]), [3, 3])


@pytest.mark.parametrize(
    "labels", [[0, 1, 1, 1], ["negative", "positive", "positive", "positive"], ["Negative"] * 4]
)
def test_accuracy(labels: list[int] | list[str]) -> None:
    """By number, by name and by name in another case."""
    score = score_classes("d", OUTPUTS, labels, HEAD)
    assert (score.metric, score.count) == ("accuracy", 4)
    assert score.value == (0.5 if labels[0] == "Negative" else 0.75)


def test_names_that_differ_in_case_only() -> None:
    """The exact name wins."""
    head = Head(task=Task.CLASSIFICATION, labels=("POS", "pos"))
    assert score_classes("d", OUTPUTS, ["POS", "pos", "POS", "pos"], head).value == 1


@pytest.mark.parametrize("label", [2, -1, 0.5, "neutral", ""])
def test_a_label_that_the_model_lacks(label: float | str) -> None:
    """The error shows it, and the model's labels."""
    with pytest.raises(DataError, match=r"not among the model's \(negative, positive\)"):
        score_classes("d", OUTPUTS[:1], [label], HEAD)
