"""Tags of tokens: what training is told is what reading of entities gives back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_bert.bundle.tag import read_tags, tag_texts
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.errors import DataError
from edge_bert.pipeline.train.heads.tags import NOT_COUNTED, choose_head, choose_tag, make_examples
from edge_bert.records.checkpoint import FloatArray, Head, Task
from tests.one_line import refused
from tests.tiny import models

NER = Path(__file__).parents[3] / "labelled" / "ner.jsonl"
TYPES = ("date", "organisation", "person", "place")
BIO = ("O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in "BI"))
BILOU = ("O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in "BILU"))


@pytest.fixture(scope="module", params=["bert", "roberta", "albert"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of each kind of tokenizer."""
    return models.write(tmp_path_factory.mktemp("m") / request.param, request.param, "mean")


@pytest.fixture(scope="module")
def data() -> EvaluationSet:
    """Texts with persons and places."""
    return parse_reference(str(NER))


def head_of(labels: tuple[str, ...]) -> Head:
    """A head with these labels."""
    return Head(Task.TOKEN_CLASSIFICATION, (), labels=labels, activation="softmax")


@pytest.mark.parametrize("length", [16, 128])
@pytest.mark.parametrize("labels", [None, BILOU, ("O", *TYPES)])
def test_tags_read_as_entities_are_the_entities(
    labels: tuple[str, ...] | None, length: int, folder: Path, data: EvaluationSet
) -> None:
    """In every scheme, also over windows; what the tokenizer cannot tell apart it may not."""
    tokenizer = Tokenizer.open(folder / "tokenizer.json", length)
    head = choose_head(data, head_of(labels) if labels else None, False)
    examples = make_examples(data, tokenizer, head)
    rows = np.eye(len(head.labels), dtype=np.float32)[np.maximum(examples.labels, 0)] * 20

    def rows_of(windows: list[Window]) -> list[FloatArray]:
        assert sum(map(len, windows)) == len(rows)
        return np.split(rows, examples.texts.starts[1:-1])

    read = tag_texts(data.sentences, tokenizer, head, rows_of)
    actual = [[(item.word.strip(), item.label) for item in entities] for entities in read]
    expected = [
        [(text[item.start : item.end], item.label) for item in entities]
        for text, entities in zip(data.sentences, data.entities, strict=True)
    ]
    assert sum(a != b for a, b in zip(actual, expected, strict=True)) == 0


def test_special_tokens_are_not_counted(folder: Path, data: EvaluationSet) -> None:
    """One at each end of a text."""
    tokenizer = Tokenizer.open(folder / "tokenizer.json", 128)
    examples = make_examples(data, tokenizer, choose_head(data, None, False))
    starts = examples.texts.starts
    assert (examples.labels[starts[:-1]] == NOT_COUNTED).all()
    assert (examples.labels[starts[1:] - 1] == NOT_COUNTED).all()
    assert (examples.labels == NOT_COUNTED).sum() == 2 * len(data)


@pytest.mark.parametrize(
    ("labels", "count", "expected"),
    [
        (("O", "B-x", "I-x"), 3, ["B-x", "I-x", "I-x"]),
        (("O", "B-x", "I-x", "L-x", "U-x"), 3, ["B-x", "I-x", "L-x"]),
        (("O", "B-x", "I-x", "E-x", "S-x"), 1, ["S-x"]),
        (("O", "x"), 2, ["I-x", "I-x"]),
        (("O", "B_x", "I_x"), 2, ["B_x", "I_x"]),
    ],
)
def test_a_tag_is_of_the_scheme_that_the_model_has(
    labels: tuple[str, ...], count: int, expected: list[str]
) -> None:
    """BIO, BILOU, BIOES, and types alone."""
    numbers = {tag: number for number, tag in enumerate(read_tags(labels))}
    assert [choose_tag("x", place, count, numbers) for place in range(count)] == expected


def test_a_model_keeps_its_tags_where_they_fit(data: EvaluationSet) -> None:
    """In the model's spelling; types of which it has some are refused, and none make new tags."""
    own = head_of(tuple(label.upper() for label in BIO))
    assert choose_head(data, own, False) is own
    other = head_of(("O", "B-gene", "I-gene"))
    assert choose_head(data, other, False).labels == BIO
    some = head_of(("O", "B-person", "I-person"))
    with refused(DataError, "labels date, organisation, place are not among the model's .*--head"):
        choose_head(data, some, False)
    assert choose_head(data, some, True).labels == BIO


def test_data_without_entities_are_refused(data: EvaluationSet) -> None:
    """There is nothing to learn."""
    with refused(DataError, "no entity at all"):
        choose_head(dataclasses.replace(data, entities=((),) * len(data)), None, False)
