"""The kind of head: by the labels, the model's own head, and the user's word."""

from __future__ import annotations

import dataclasses

import pytest

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.train.heads import classes, label_sets, numbers
from edge_bert.pipeline.train.heads.choose_kind import HEADS_OF, KINDS, choose_kind
from edge_bert.records.checkpoint import Head, Task
from tests.one_line import refused

EMBEDDING = Head(Task.EMBEDDING)
SENTIMENT = Head(Task.CLASSIFICATION, labels=("NEGATIVE", "POSITIVE"), activation="softmax")
TOPICS = Head(Task.CLASSIFICATION, labels=("art", "war", "law"), activation="sigmoid")
SCORE = Head(Task.CLASSIFICATION, labels=("score",))
CROSS = Head(Task.CLASSIFICATION, labels=("LABEL_0",), activation="sigmoid")


def data_of(kind: str, labels: tuple = (), **fields: object) -> EvaluationSet:
    """Rows of a kind."""
    rows = labels or fields.get("label_sets") or (0,)
    return EvaluationSet("d.csv", kind, ("t",) * len(rows), (), labels, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "labels", "head", "expected"),
    [
        ("labelled", ("a", "b"), EMBEDDING, "classes"),
        ("labelled", (0, 1), SCORE, "number"),
        ("labelled", ("a", "b"), SCORE, "classes"),
        ("labelled", ("art|war",), TOPICS, "labels"),
        ("label sets", (), SENTIMENT, "labels"),
        ("scored", (0.5,), SENTIMENT, "number"),
        ("pairs", (0.5,), SENTIMENT, "embedding"),
        ("pairs", (0.5,), CROSS, "number"),
        ("entities", (), EMBEDDING, "tags"),
        ("answers", (), EMBEDDING, "span"),
    ],
)
def test_the_data_choose_a_head_and_the_model_keeps_its_own(
    kind: str, labels: tuple, head: Head, expected: str
) -> None:
    """Where rows fit several, the model's own head decides, and else the first."""
    assert choose_kind(data_of(kind, labels), head) == expected


def test_the_user_has_the_last_word() -> None:
    """Among the heads that the rows can train."""
    assert choose_kind(data_of("pairs", (0.5,)), EMBEDDING, "number") == "number"
    with refused(DataError, "has pairs with scores, which train no head of tags"):
        choose_kind(data_of("pairs", (0.5,)), EMBEDDING, "tags")
    with refused(InputError, "--head 'crf': give one of classes, labels"):
        choose_kind(data_of("pairs", (0.5,)), EMBEDDING, "crf")
    assert {name for names in HEADS_OF.values() for name in names} == set(KINDS)


def test_rankings_train_no_head() -> None:
    """A line says what does."""
    with refused(DataError, "queries with passages, which train no head; give texts with"):
        choose_kind(data_of("ranking", (1.0,)), EMBEDDING)


def test_a_classifier_is_kept_where_its_classes_are_those_of_the_data() -> None:
    """In any spelling that `--data` takes; new ones where none is known, refused where some are."""
    assert classes.choose_head(data_of("labelled", (0, 1, 0)), SENTIMENT, False) is SENTIMENT
    named = data_of("labelled", ("positive", "negative"))
    assert classes.choose_head(named, SENTIMENT, False) is SENTIMENT
    other = data_of("labelled", ("cat", "dog") * 2)
    assert classes.choose_head(other, SENTIMENT, False).labels == ("cat", "dog")
    mixed = data_of("labelled", ("positive", "mixed") * 2)
    with refused(DataError, r"labels mixed are not among the model's \(NEGATIVE, POSITIVE\), oth"):
        classes.choose_head(mixed, SENTIMENT, False)
    assert classes.choose_head(mixed, SENTIMENT, True).labels == ("mixed", "positive")


def test_classes_have_the_names_that_the_data_give_their_numbers() -> None:
    """In the order of the numbers."""
    data = dataclasses.replace(data_of("labelled", (2, 10) * 2), label_names=tuple("abcdefghijk"))
    assert classes.choose_head(data, None, False).labels == ("c", "k")
    bare = data_of("labelled", (2, 10) * 2)
    assert classes.choose_head(bare, None, False).labels == ("2", "10")


@pytest.mark.parametrize(
    ("cells", "names", "expected"),
    [
        ((("law", "art"), ("war",)), (), ("art", "law", "war")),
        ((("10", "2"), ("3",)), (), ("2", "3", "10")),
        ((("1", "0", "0"), ("0", "1", "1")), (), ("LABEL_0", "LABEL_1", "LABEL_2")),
        ((("1", "0", "0"), ("0", "1", "1")), ("x", "y", "z"), ("x", "y", "z")),
        ((("0",), ("2", "1")), ("x", "y", "z"), ("x", "y", "z")),
    ],
)
def test_several_labels_at_once_are_named(
    cells: tuple, names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """By name, by number, or by a 0 or 1 for each."""
    data = dataclasses.replace(data_of("label sets", label_sets=cells), label_names=names)
    assert label_sets.choose_head(data, None, False).labels == expected


def test_labels_in_one_cell_are_split_and_a_fitting_head_stays() -> None:
    """`art|war` of a table."""
    data = data_of("labelled", ("art|war", "law", "art"))
    assert label_sets.choose_head(data, TOPICS, False) is TOPICS
    assert label_sets.choose_head(data, None, False).labels == ("art", "law", "war")
    with refused(DataError, "labels sea are not among"):
        label_sets.choose_head(data_of("labelled", ("art|sea",)), TOPICS, False)
    with refused(DataError, "fewer than two labels"):
        label_sets.choose_head(data_of("labelled", ("art",)), None, False)


def test_numbers_must_fit_the_output() -> None:
    """That of a sigmoid is from 0 to 1; names and equal scores are no regression."""
    stars = data_of("scored", (1.0, 4.5))
    assert numbers.choose_head(stars, None, False).activation == "identity"
    assert numbers.choose_head(data_of("scored", (0.0, 1.0)), CROSS, False) is CROSS
    with refused(DataError, "scores from 1 to 4.5, and the model's output is from 0 to 1"):
        numbers.choose_head(stars, CROSS, False)
    assert numbers.choose_head(stars, CROSS, True).activation == "identity"
    with refused(DataError, "names as labels"):
        numbers.choose_head(data_of("labelled", ("a", "b")), None, True)
    with refused(DataError, "all scores are equal"):
        numbers.choose_head(data_of("scored", (2.0, 2.0)), None, False)
