"""Entities of a bundle: those of transformers' pipeline, and of long texts too."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence

import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.bundle.tag import list_types, read_tags, tag_texts
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import Head, Task
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models
from tests.tiny.sentences import PAIRS, SENTENCES

TEXTS = [text for text in (*SENTENCES, *(first for first, _ in PAIRS)) if text]
LONGEST = max(tiny.LENGTHS)
FAMILIES = ("bert", "roberta", "gpt2")  # WordPiece, and byte-level with spaces and without


@functools.cache
def tagger(architecture: str) -> Bundle:
    """A bundle of a tiny tagger with its float32 file only."""
    made = tiny.build_in(
        tiny.workplace() / "taggers" / architecture,
        source=tiny.model(architecture, "token_classification"),
        recipes=("float32",),
        lengths=(LONGEST,),
        calibration_count=16,
    )
    return Bundle.open(made.folder)


def short_texts(architecture: str) -> list[str]:
    """Those that are not cut, with tokens."""
    tokenizer = Tokenizer.open(
        tiny.model(architecture, "token_classification") / "tokenizer.json", 512
    )
    return [text for text in TEXTS if 0 < len(tokenizer.encode(text)) <= LONGEST]


@pytest.mark.parametrize("architecture", FAMILIES)
def test_entities_are_those_of_transformers(architecture: str) -> None:
    """Types, places and scores of `aggregation_strategy="simple"`, on every text."""
    pytest.importorskip("torch", reason="pip install 'edge-bert[torch]'").set_num_threads(1)
    import transformers

    folder = tiny.model(architecture, "token_classification")
    pipeline = transformers.pipeline(
        "token-classification",
        model=transformers.AutoModelForTokenClassification.from_pretrained(folder).eval(),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder),
        aggregation_strategy="simple",
    )
    texts = short_texts(architecture)
    count = 0
    for text, entities in zip(texts, tagger(architecture).tag(texts), strict=True):
        expected = pipeline(text)
        places = [(each["entity_group"], each["start"], each["end"]) for each in expected]
        assert [(each.label, each.start, each.end) for each in entities] == places
        scores = [each["score"] for each in expected]
        np.testing.assert_allclose([each.score for each in entities], scores, atol=1e-4)
        assert all(each.word == text[each.start : each.end] for each in entities)
        count += len(entities)
    assert count > 100


def labelled_rows(labels: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    rows = np.zeros((len(wanted), len(labels)), np.float32)
    rows[range(len(wanted)), [labels.index(label) for label in wanted]] = 9.0
    return rows


@functools.cache
def tokenizer(max_length: int) -> Tokenizer:
    return Tokenizer.open(tiny.model("bert", "token_classification") / "tokenizer.json", max_length)


def tag_letters(text: str, labels: Sequence[str], wanted: Sequence[str]) -> list[tuple[str, str]]:
    """The entities of a text whose tokens are single letters that get these labels."""
    head = Head(Task.TOKEN_CLASSIFICATION, (), labels=tuple(labels), activation="softmax")

    def rows_of(windows: Sequence[Window]) -> list[np.ndarray]:
        assert len(windows) == 1
        assert len(windows[0]) == len(wanted) + 2
        return [labelled_rows(labels, [labels[0], *wanted, labels[0]])]

    (entities,) = tag_texts([text], tokenizer(64), head, rows_of)
    return [(each.word, each.label) for each in entities]


@pytest.mark.parametrize(
    ("labels", "wanted", "expected"),
    [
        ("O B-X I-X", "B-X I-X B-X O I-X", [("a b", "X"), ("c", "X"), ("e", "X")]),
        ("O B-X I-X B-Y I-Y", "I-X I-X I-Y B-Y O", [("a b", "X"), ("c", "Y"), ("d", "Y")]),
        (
            "O B-X I-X L-X U-X",
            "B-X L-X I-X U-X U-X",
            [("a b", "X"), ("c", "X"), ("d", "X"), ("e", "X")],
        ),
        ("O B-X I-X E-X S-X", "B-X I-X E-X E-X S-X", [("a b c", "X"), ("d", "X"), ("e", "X")]),
        ("O X Y", "X X Y O Y", [("a b", "X"), ("c", "Y"), ("e", "Y")]),
        ("O date-time", "date-time date-time O O O", [("a b", "date-time")]),
    ],
)
def test_every_scheme_of_tags_is_joined(
    labels: str, wanted: str, expected: list[tuple[str, str]]
) -> None:
    """IOB2, IOB1, BILOU, BIOES, and labels without a prefix."""
    assert tag_letters("a b c d e", labels.split(), wanted.split()) == expected


def test_types_are_labels_without_their_prefix() -> None:
    """Also where a model has labels of both kinds."""
    head = Head(Task.TOKEN_CLASSIFICATION, (), labels=("O", "B-PER", "I-PER", "S-Bahn"))
    assert list_types(head) == ("PER", "Bahn")
    mixed = Head(Task.TOKEN_CLASSIFICATION, (), labels=("O", "B-PER", "I-PER", "place"))
    assert list_types(mixed) == ("PER", "place")
    assert read_tags(mixed.labels)[3] == "I-place"


def test_long_texts_are_read_whole() -> None:
    """Every token of a text of 300 words has one label, from the window with most around it."""
    labels = ("O", "I-X")
    head = Head(Task.TOKEN_CLASSIFICATION, (), labels=labels, activation="softmax")
    letters = random.Random(0).choices(  # noqa: S311 (no secret)
        "abcdefgh", k=300
    )
    text = " ".join(letters)
    edges: list[int] = []

    def rows_of(windows: Sequence[Window]) -> list[np.ndarray]:
        edges.extend(len(window) for window in windows)
        rows = []
        for window in windows:
            wanted = [
                "I-X" if text[start:end] in ("a", "b") else "O" for start, end in window.offsets
            ]
            # What has nothing around it in a window is wrong there.
            for edge in () if len(windows) == 1 else (1, len(window) - 2):
                wanted[edge] = "I-X" if wanted[edge] == "O" else "O"
            rows.append(labelled_rows(labels, wanted))
        return rows

    (entities,) = tag_texts([text], tokenizer(16), head, rows_of)
    assert len(edges) > 30
    assert max(edges) == 16
    marked = {place for each in entities for place in range(each.start, each.end, 2)}
    expected = {2 * place for place, letter in enumerate(letters) if letter in "ab"}
    assert marked ^ expected <= {0, 2 * 299}  # the ends of the text are those of one window


def test_texts_at_the_limit_have_one_window() -> None:
    """And no text has none, but one without tokens."""
    assert [len(x) for x in tokenizer(16).encode_windows("a " * 14, overlap=4)] == [16]
    assert [len(x) for x in tokenizer(16).encode_windows("a " * 15, overlap=4)] == [16, 7]
    assert [len(x) for x in tokenizer(16).encode_windows("", overlap=4)] == [2]


def test_places_are_characters_of_the_text_as_it_is() -> None:
    """Accents, emoji and halves of surrogate pairs keep every later place."""
    text = "É\u0301 \U0001f600 \ud83d\ude00 cat"
    (window,) = tokenizer(64).encode_windows(text, overlap=4)
    start, end = window.offsets[-2]
    assert text[start:end] in "cat"
    assert end == len(text)


def test_the_limit_of_the_tokenizer_stays() -> None:
    """What is encoded after windows is cut as before."""
    text = "a " * 40
    before = tokenizer(16).encode(text)
    tokenizer(16).encode_windows(text, overlap=4)
    assert tokenizer(16).encode(text) == before


def test_a_bundle_of_another_task_says_what_to_call() -> None:
    """One line for each method that does not fit."""
    bundle = tagger("bert")
    with pytest.raises(InputError, match="token classification; call tag or encode_tokens"):
        bundle.encode(["a"])
    with pytest.raises(InputError, match="answer is for question answering"):
        bundle.answer("Who?", "He.")
    with pytest.raises(InputError, match="takes a list of texts"):
        bundle.tag("a")
    embedder = Bundle.open(tiny.built().folder)
    with pytest.raises(InputError, match="this model is for embedding; call encode"):
        embedder.tag(["a"])


def test_an_empty_list_has_no_entities() -> None:
    """And a text without letters has none either."""
    assert tagger("bert").tag([]) == []
    assert tagger("gpt2").tag([""]) == [()]


def test_the_probabilities_of_tokens_can_be_had() -> None:
    """Of special tokens too, each row adding up to 1."""
    (rows,) = tagger("bert").encode_tokens(["a b c"])
    assert rows.shape == (5, len(models.TAGS))
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-6)
