"""Labels as other programs write them."""

from __future__ import annotations

import pytest

from edge_bert.errors import DataError
from edge_bert.evaluate.class_labels import match_labels
from edge_bert.records.checkpoint import Head, Task


def head_of(*names: str) -> Head:
    """A classifier with these classes."""
    return Head(task=Task.CLASSIFICATION, labels=names, activation="softmax")


SENTIMENT = head_of("negative", "positive")
GENERIC = head_of("LABEL_0", "LABEL_1")
STARS = head_of("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
NUMBERED = head_of("1", "2", "3")


@pytest.mark.parametrize(
    ("head", "labels", "expected"),
    [
        (SENTIMENT, [0, 1], [0, 1]),
        (SENTIMENT, [0.0, 1.0], [0, 1]),
        (SENTIMENT, ["0", "1"], [0, 1]),
        (SENTIMENT, ["0.0", "1.0"], [0, 1]),
        (SENTIMENT, ["1.", "+1"], [1, 1]),
        (SENTIMENT, ["LABEL_0", "label_1", "LABEL 1"], [0, 1, 1]),
        (SENTIMENT, ["true", "False"], [1, 0]),
        (SENTIMENT, [" NEGATIVE ", "Positive"], [0, 1]),
        (GENERIC, ["label-0", "1"], [0, 1]),
        (head_of("not_spam", "spam"), ["Not Spam", "SPAM", "not-spam"], [0, 1, 0]),
        (head_of("Sci/Tech", "World"), ["sci_tech", "sci tech", "world"], [0, 0, 1]),
        (head_of("POS", "pos"), ["pos", "POS"], [1, 0]),
        # What the model calls its classes comes before their numbers.
        (NUMBERED, [1, 2, 3], [0, 1, 2]),
        (NUMBERED, ["3.0", "1.0"], [2, 0]),
        (NUMBERED, ["1", "1"], [0, 0]),
        (head_of("yes", "no"), ["true", "false"], [0, 1]),
        (head_of("True", "False"), ["true", "TRUE", "false"], [0, 0, 1]),
        (head_of("False", "True"), ["no", "yes"], [0, 1]),
        # Only one reading is possible: there are no 0 stars, and no class 5.
        (STARS, [0, 4], [0, 4]),
        (STARS, [1, 5], [0, 4]),
        (STARS, ["2 Stars", "5_stars"], [1, 4]),
    ],
)
def test_labels_in_every_spelling(head: Head, labels: list[str], expected: list[int]) -> None:
    """The class that was meant."""
    assert match_labels("d", labels, head).tolist() == expected


@pytest.mark.parametrize(
    ("head", "labels", "message"),
    [
        (STARS, [1, 2], "the label 1 may be '2 stars' or '1 star'; write the names"),
        (NUMBERED, [0, 1, 2], "label 1 is the name of a class, its label 0 is not"),
        (head_of("A B", "a_b"), ["a-b"], "the label 'a-b' may be 'A B' or 'a_b'"),
        (SENTIMENT, ["yes", "no"], "labels no, yes are not among the model's"),
        (head_of("a", "b", "c"), ["true", "false"], "labels false, true are not among"),
        (head_of("yes", "maybe"), ["true", "false"], "labels false are not among"),
        (SENTIMENT, ["LABEL_2"], "labels LABEL_2 are not among"),
        (SENTIMENT, ["1_0"], "labels 1_0 are not among"),
        (SENTIMENT, ["١"], "are not among"),
        (SENTIMENT, ["9" * 5000], "are not among"),
        (SENTIMENT, [-1, 0], "labels -1 are not among"),
        (SENTIMENT, ["nan", "1"], "labels nan are not among"),
        (SENTIMENT, [float("nan")], "labels nan are not among"),
    ],
)
def test_what_may_be_two_classes_or_none_is_named(
    head: Head, labels: list[str], message: str
) -> None:
    """No label is guessed."""
    with pytest.raises(DataError) as caught:
        match_labels("d", labels, head)
    assert message in str(caught.value)


def test_the_datas_own_names_count_where_the_model_has_them() -> None:
    """A data set may number the same classes in another order."""
    flipped = match_labels("d", [0, 1], SENTIMENT, ("Positive", "Negative"))
    assert flipped.tolist() == [1, 0]
    assert match_labels("d", [0, 1], SENTIMENT, ("pos", "neg")).tolist() == [0, 1]
    with pytest.raises(DataError, match="labels neutral are not among"):
        match_labels("d", [0, 1], SENTIMENT, ("neutral", "positive"))
    assert match_labels("d", [1], SENTIMENT, ("neutral", "positive")).tolist() == [1]
