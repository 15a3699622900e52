"""Data and models that `invoke train` cannot use: one line, before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_bert.errors import DataError, EdgeBertError, InputError, ModelError
from edge_bert.pipeline.train.options import FineTuneOptions
from edge_bert.pipeline.train.train_head import train_head
from tests.one_line import refused
from tests.tiny import models

CLASSES = "text,label\n" + "".join(f"text number {n},{'ab'[n % 2]}\n" for n in range(80))
SCORED = "text,score\n" + "".join(f"text number {n},{n / 7}\n" for n in range(80))
ONE_SCORE = "text,score\n" + "".join(f"text number {n},0.5\n" for n in range(80))
RANKED = "query,passage,relevance\n" + "".join(f"q{n % 9},passage {n},{n % 2}\n" for n in range(80))
MANY = "text,label\n" + "".join(f"text number {n},c{n // 2}\n" for n in range(80))
PAIRS = "sentence1,sentence2,score\n" + "".join(f"a {n},b {n},2.5\n" for n in range(80))
ENTITIES = "\n".join(json.dumps({"text": f"text {n}", "entities": []}) for n in range(80))
ANSWERS = "\n".join(
    json.dumps({"question": f"what {n}?", "context": f"this {n}", "answers": ["that"]})
    for n in range(80)
)


def refuse(
    tmp_path: Path, kind: type[EdgeBertError], match: str, data: str, model: str, **options: object
) -> None:
    """The command must end with this error, and leave nothing behind."""
    fields: dict[str, object] = {"name": "m", "model": model, "data": data, **options}
    given = FineTuneOptions(out=str(tmp_path / "out"), **fields)  # type: ignore[arg-type]
    with refused(kind, match):
        train_head(given)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache" / "training").exists() or not any(
        (tmp_path / "cache" / "training").iterdir()
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache in which nothing may be left."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny embedding model."""
    return str(models.write(tmp_path_factory.mktemp("tiny") / "m", "bert", "mean-normalize"))


@pytest.mark.parametrize(
    ("name", "content", "options", "kind", "match"),
    [
        ("a.csv", "text\n" + "some text\n" * 80, {}, DataError, "no column|column"),
        ("a.csv", CLASSES + "one more,\n", {}, DataError, "label"),
        ("a.csv", CLASSES + ",a\n", {}, DataError, "text"),
        ("a.csv", CLASSES.replace(",b", ",a"), {}, DataError, "all texts have the label a"),
        ("a.csv", CLASSES + "alone,z\n", {}, DataError, "the label z has one text"),
        ("a.csv", "text,label\nx,a\ny,b\nz,a\nw,b\n", {}, DataError, "4 texts are too few"),
        ("a.csv", MANY, {"held_out": 0.2}, DataError, "all texts of the label 'c|has 40 labels"),
        ("a.csv", CLASSES, {"head": "number"}, DataError, "names as labels"),
        ("a.csv", CLASSES, {"head": "tags"}, DataError, "has classes, which train no head of tags"),
        ("a.csv", SCORED, {"head": "classes"}, DataError, "sentences with scores, which train no"),
        ("a.csv", ONE_SCORE, {}, DataError, "all scores are equal"),
        ("a.csv", PAIRS, {}, DataError, "all scores are equal"),
        ("a.csv", RANKED, {}, DataError, "queries with passages, which train no head"),
        ("a.jsonl", ENTITIES, {}, DataError, "no entity at all"),
        (
            "a.jsonl",
            ANSWERS,
            {"held_out": 0.3},
            DataError,
            "'that' to 'what .*' is not in its context",
        ),
        ("a.csv", CLASSES, {"head": "crf"}, InputError, "--head 'crf'"),
        ("a.csv", CLASSES, {"freeze": "head"}, InputError, "--freeze head: give embeddings, enc"),
        ("a.csv", CLASSES, {"name": "a/b"}, InputError, "name of a folder"),
    ],
)
def test_data_that_cannot_be_used_are_refused(
    name: str,
    content: str,
    options: dict[str, object],
    kind: type[EdgeBertError],
    match: str,
    model: str,
    tmp_path: Path,
) -> None:
    """With what is wrong and what to do."""
    path = tmp_path / name
    path.write_text(content, "utf-8")
    refuse(tmp_path, kind, match, str(path), model, **options)


@pytest.mark.parametrize("architecture", ["mobilebert", "gpt2", "modernbert", "nomic_bert"])
def test_architectures_with_layers_of_their_own_are_refused(
    architecture: str, tmp_path: Path
) -> None:
    """The line says which can be trained."""
    head = "last" if architecture == "gpt2" else "mean"
    folder = models.write(tmp_path / "m", architecture, head)
    data = tmp_path / "a.csv"
    data.write_text(CLASSES, "utf-8")
    match = f"of type {architecture}, whose layers training does not have; it has bert, distil"
    refuse(tmp_path, ModelError, match, str(data), str(folder))


def test_a_classifier_with_some_of_the_labels_is_refused(tmp_path: Path) -> None:
    """Its head would be lost, or a class would have no name."""
    folder = models.write(tmp_path / "m", "bert", "classification")
    data = tmp_path / "a.csv"
    data.write_text(CLASSES.replace(",a", ",positive"), "utf-8")
    match = r"labels b are not among the model's \(negative, neutral, positive\), others are"
    refuse(tmp_path, DataError, match, str(data), str(folder))
