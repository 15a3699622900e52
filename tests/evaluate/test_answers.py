"""Answers against labelled ones, on cases counted by hand."""

from __future__ import annotations

import pytest

from edge_bert.errors import DataError
from edge_bert.evaluate.answers import normalize_answer, score_answers


@pytest.mark.parametrize(
    ("answer", "normalized"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("a.n. other", "other"),
        ("Theatre", "theatre"),
        ("an", ""),
        ("«Ünter» den Linden", "«ünter» den linden"),
        ("1,000 km", "1000 km"),
    ],
)
def test_answers_are_normalized_as_squad_does(answer: str, normalized: str) -> None:
    """Case, ASCII punctuation, whole articles and spaces go, in this order."""
    assert normalize_answer(answer) == normalized


@pytest.mark.parametrize(
    ("predicted", "expected", "exact", "overlap"),
    [
        ("the Rhine", ["Rhine", "river Rhine"], 1.0, 1.0),
        # Two of three words against two of two: 2 * 2 / (3 + 2).
        ("the old red bridge", ["red bridge"], 0.0, 0.8),
        ("bridge bridge", ["bridge"], 0.0, 2 / 3),
        ("north", ["south", "far south"], 0.0, 0.0),
        ("", [], 1.0, 1.0),
        ("", [""], 1.0, 1.0),
        ("something", [], 0.0, 0.0),
        ("", ["something"], 0.0, 0.0),
        ("the", ["something"], 0.0, 0.0),
    ],
)
def test_exact_match_and_f1(
    predicted: str, expected: list[str], exact: float, overlap: float
) -> None:
    """The best of several answers counts; no answer agrees with no answer alone."""
    scores = score_answers("d", [predicted], [expected])
    assert [score.metric for score in scores] == ["exact_match", "answer_f1"]
    assert [score.value for score in scores] == [exact, pytest.approx(overlap, abs=1e-6)]


def test_scores_are_means_over_questions() -> None:
    """One of two right."""
    exact, overlap = score_answers("d", ["Paris", "x y"], [["paris"], ["y"]])
    assert (exact.value, exact.count) == (0.5, 2)
    assert overlap.value == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)


def test_no_questions_are_refused() -> None:
    """A mean of nothing is no score."""
    with pytest.raises(DataError, match="has no questions"):
        score_answers("d", [], [])
