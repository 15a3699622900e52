"""The rule by which inputs leave a model, against torch and against PABEE's own words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_bert.errors import ModelError
from edge_bert.evaluate.choose_exit import check_exit_rule, choose_exits, rate_exits
from edge_bert.records.checkpoint import FloatArray, Head, Task
from edge_bert.records.exits import ExitPoint, ExitRule

CLASSES = Head(Task.CLASSIFICATION, labels=("a", "b", "c"), activation="softmax")
SIDE_BY_SIDE = Head(Task.CLASSIFICATION, labels=("a", "b", "c"), activation="sigmoid")
ONE_LABEL = Head(Task.CLASSIFICATION, labels=("yes",), activation="sigmoid")
VECTORS = Head(Task.EMBEDDING)
TWO = (ExitPoint(2, temperature=2.0, threshold=0.8), ExitPoint(4, temperature=0.5, threshold=0.6))


def confidence(points: tuple[ExitPoint, ...] = TWO) -> ExitRule:
    return ExitRule("confidence", points, 0.99)


def patience(count: int, exits: int = 4) -> ExitRule:
    points = tuple(ExitPoint(after + 1) for after in range(exits))
    return ExitRule("patience", points, 0.99, patience=count)


def random_logits(*, exits: int, width: int, texts: int = 50) -> list[FloatArray]:
    rng = np.random.default_rng(exits * width)
    return [rng.normal(0, 3, (texts, width)).astype(np.float32) for _ in range(exits)]


def test_confidence_is_the_largest_softmax_at_the_exit_s_temperature() -> None:
    outputs = random_logits(exits=2, width=3)
    ratings = rate_exits(confidence(), CLASSES, outputs)
    for rating, logits, point in zip(ratings.T, outputs, TWO, strict=True):
        expected = torch.softmax(torch.from_numpy(logits) / point.temperature, -1).max(-1).values
        np.testing.assert_allclose(rating, expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("head", "width"), [(ONE_LABEL, 1), (SIDE_BY_SIDE, 3)])
def test_of_labels_side_by_side_the_least_certain_one_counts(head: Head, width: int) -> None:
    outputs = random_logits(exits=2, width=width)
    ratings = rate_exits(confidence(), head, outputs)
    for rating, logits, point in zip(ratings.T, outputs, TWO, strict=True):
        shares = torch.sigmoid(torch.from_numpy(logits) / point.temperature)
        expected = torch.maximum(shares, 1 - shares).min(-1).values
        np.testing.assert_allclose(rating, expected.numpy(), rtol=1e-6)


def test_an_input_leaves_at_the_first_exit_that_reaches_its_threshold() -> None:
    ratings = np.array([[0.9, 0.9], [0.79, 0.6], [0.1, 0.59], [np.nan, 0.7]], np.float32)
    assert choose_exits(confidence(), ratings).tolist() == [0, 1, 2, 1]


def test_a_threshold_that_was_a_rating_is_reached() -> None:
    """Whatever double lies behind it: both are rounded to float32."""
    outputs = random_logits(exits=1, width=3)
    ratings = rate_exits(confidence(TWO[:1]), CLASSES, outputs)
    for index, rating in enumerate(ratings[:, 0]):
        rule = confidence((ExitPoint(2, temperature=2.0, threshold=float(rating)),))
        assert choose_exits(rule, ratings)[index] == 0


def test_exits_seen_so_far_decide_as_all_of_them_do() -> None:
    """A bundle asks after each stage, a search of thresholds once for all."""
    outputs = random_logits(exits=4, width=3)
    points = tuple(ExitPoint(after, threshold=0.9) for after in (1, 2, 3, 4))
    for rule in (confidence(points), patience(1), patience(2)):
        whole = choose_exits(rule, rate_exits(rule, CLASSES, outputs))
        assert len(set(whole.tolist())) > 2
        for seen in range(1, 5):
            now = choose_exits(rule, rate_exits(rule, CLASSES, outputs[:seen]))
            assert now.tolist() == np.minimum(whole, seen).tolist()


@pytest.mark.parametrize(
    ("classes", "count", "place"),
    [
        ([0, 0, 0, 0], 1, 1),
        ([0, 0, 0, 0], 2, 2),
        ([0, 1, 1, 1], 2, 3),
        ([0, 0, 1, 1], 2, 4),
        ([0, 1, 2, 0], 1, 4),
        ([0, 0, 0, 0], 4, 4),
    ],
)
def test_patience_counts_exits_that_name_the_class_of_the_one_before(
    classes: list[int], count: int, place: int
) -> None:
    """The counter goes back to 0 where the class changes (arXiv:2006.04152, equation 4)."""
    outputs = [np.eye(3, dtype=np.float32)[[name]] for name in classes]
    assert choose_exits(patience(count), rate_exits(patience(count), CLASSES, outputs)) == [place]


def test_patience_wants_every_label_that_stands_beside_others_to_stay() -> None:
    first, second = (np.array([row], np.float32) for row in ([2, -1, -1], [3, -2, 1]))
    rule = patience(1, exits=2)
    assert choose_exits(rule, rate_exits(rule, SIDE_BY_SIDE, [first, second])) == [2]
    assert choose_exits(rule, rate_exits(rule, SIDE_BY_SIDE, [first, first])) == [1]


def test_predicted_agreement_is_its_own_rating() -> None:
    rule = ExitRule("agreement", (ExitPoint(2, threshold=0.98), ExitPoint(4, threshold=0.9)), 0.99)
    agreements = [np.array(row, np.float32) for row in ([0.98, 0.9, 0.5], [0.1, 0.95, 0.5])]
    vectors = random_logits(exits=2, width=8, texts=3)
    ratings = rate_exits(rule, VECTORS, vectors, agreements)
    assert choose_exits(rule, ratings).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("rule", "head", "complaint"),
    [
        (ExitRule("agreement", TWO, 0.99), CLASSES, "for embeddings"),
        (confidence(), VECTORS, "gives embedding"),
        (patience(1), Head(Task.CLASSIFICATION, labels=("score",)), "gives numbers"),
    ],
)
def test_a_rule_that_the_head_cannot_serve_is_refused(
    rule: ExitRule, head: Head, complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        check_exit_rule(rule, head)


@pytest.mark.parametrize(
    ("rule", "head"), [(confidence(), ONE_LABEL), (ExitRule("agreement", TWO, 1), VECTORS)]
)
def test_a_rule_that_fits_its_head_passes(rule: ExitRule, head: Head) -> None:
    check_exit_rule(rule, head)
