"""The texts of a student: distinct, with labels where there are some, split by their own words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.train.corpus import describe_corpus, read_corpus, split_corpus
from edge_bert.records.checkpoint import Head, Task
from tests.one_line import refused

EMBEDDING = Head(Task.EMBEDDING)
CLASSIFIER = Head(Task.CLASSIFICATION, labels=("cold", "warm"), activation="softmax")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A table with classes, one with pairs, and lines of text; two texts come up twice."""
    contents = {
        "classes.csv": "text,label\nsnow falls,cold\nthe sun,warm\nsnow falls,cold\n",
        "pairs.csv": "text1,text2,label\na dog,a cat,cold\na dog,the sun,warm\n",
        "scored.csv": "sentence1,sentence2,score\nthe sun,a moon,0.5\n",
        "lines.txt": "the sun\n\na star\n  a star  \n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, "utf-8")
    return {name.partition(".")[0]: str(tmp_path / name) for name in contents}


def test_texts_are_distinct_and_have_labels_where_these_are_known(files: dict[str, str]) -> None:
    """A label that comes later counts too; texts of files of lines have none."""
    corpus = read_corpus([files["classes"]], [files["lines"]], CLASSIFIER)
    assert corpus.sentences == ("snow falls", "the sun", "a star")
    assert corpus.labels.tolist() == [0, 1, -1]
    assert corpus.origins.tolist() == [0, 0, 1]
    assert corpus.has_labels
    assert not corpus.second


def test_both_sides_of_a_pair_are_texts_for_an_embedding(files: dict[str, str]) -> None:
    """Its data have no labels, whatever columns there are."""
    corpus = read_corpus([files["scored"], files["classes"]], [], EMBEDDING)
    assert corpus.sentences == ("the sun", "a moon", "snow falls")
    assert not corpus.has_labels


def test_a_pair_is_one_input_of_a_classifier(files: dict[str, str]) -> None:
    """Beside pairs, single texts are refused with the source that has them."""
    corpus = read_corpus([files["pairs"]], [], CLASSIFIER)
    assert corpus.second == ("a cat", "the sun")
    with refused(DataError, r"lines\.txt has single texts"):
        read_corpus([files["pairs"]], [files["lines"]], CLASSIFIER)


def test_labels_that_the_head_does_not_have_are_refused(files: dict[str, str]) -> None:
    """By name."""
    head = Head(Task.CLASSIFICATION, labels=("dry", "wet"), activation="softmax")
    with refused(DataError, "cold"):
        read_corpus([files["classes"]], [], head)


def test_no_texts_are_refused(files: dict[str, str], tmp_path: Path) -> None:
    """None named, or none in the file, or too few to hold some out."""
    with refused(InputError, "--data nor --text"):
        read_corpus([], [], EMBEDDING)
    (tmp_path / "empty.txt").write_text("\n \n", "utf-8")
    with refused(DataError, r"empty\.txt"):
        read_corpus([], [str(tmp_path / "empty.txt")], EMBEDDING)
    with refused(DataError, "too few"):
        split_corpus(read_corpus([], [files["lines"]], EMBEDDING), 0.5, 0)


def test_a_text_is_held_out_by_its_own_words(tmp_path: Path) -> None:
    """The order of the file does not matter; the record counts both sides of every source."""
    lines = [f"sentence number {number}" for number in range(80)]
    (tmp_path / "a.txt").write_text("\n".join(lines), "utf-8")
    (tmp_path / "b.txt").write_text("\n".join(reversed([*lines, "one more"])), "utf-8")
    sides = [
        split_corpus(read_corpus([], [str(tmp_path / name)], EMBEDDING), 0.2, 3)
        for name in ("a.txt", "b.txt")
    ]
    held = [set(held.sentences) - {"one more"} for _, held in sides]
    assert held[0] == held[1]
    trained, held_out = sides[0]
    assert not set(trained.sentences) & set(held_out.sentences)
    (used,) = describe_corpus(trained, held_out)
    assert (used.source, used.count, used.held_out) == ("a.txt", 80, len(held_out))
    assert np.all(trained.labels == -1)


def test_fewer_texts_are_learned_and_the_same_held_out(tmp_path: Path) -> None:
    """They are of all the file, as far as it goes."""
    lines = [f"sentence number {number}" for number in range(80)]
    (tmp_path / "a.txt").write_text("\n".join(lines), "utf-8")
    corpus = read_corpus([], [str(tmp_path / "a.txt")], EMBEDDING)
    trained, held_out = split_corpus(corpus, 0.2, 3)
    fewer, same = split_corpus(corpus, 0.2, 3, most=10)
    assert same.sentences == held_out.sentences
    assert len(fewer) == 10
    assert set(fewer.sentences) <= set(trained.sentences)
    assert max(lines.index(text) for text in fewer.sentences) > 60
