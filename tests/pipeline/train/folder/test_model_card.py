"""The model card: the hub's fields in YAML, how the model is used, nothing of the machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from huggingface_hub import ModelCard

from edge_bert.pipeline.train.folder.card_subject import CardSubject, read_inherited_fields
from edge_bert.pipeline.train.folder.model_card import write_card
from edge_bert.records.checkpoint import Task
from edge_bert.records.training import TrainingRun
from tests.report.hostile import ATTACK
from tests.report.sample_training import training_run

SOURCE_CARD = (
    "---\nlicense: apache-2.0\nlanguage: [en]\ntags: [x]\nbase_model: a/b\n---\n# Source\n"
)
replace = msgspec.structs.replace


def subject(task: Task = Task.CLASSIFICATION, **changes: object) -> CardSubject:
    """A classifier of two classes from a model under a licence."""
    fields: dict[str, object] = {
        "labels": ("lost", "found") if task is Task.CLASSIFICATION else (),
        "alike": True,
        "inherited": {"license": "apache-2.0", "language": ["en"]},
    }
    return CardSubject(task=task, **(fields | changes))  # type: ignore[arg-type]


def embedding_run() -> TrainingRun:
    """A run whose score has no name on the hub."""
    run = training_run()
    return replace(run, curve=replace(run.curve, metric="agreement with the teacher"), classes=())


def test_the_hub_reads_its_fields() -> None:
    """Library, base model, data by name, metric, language and licence."""
    fields = ModelCard(write_card(training_run(), subject())).data.to_dict()
    assert fields == {
        "base_model": ["all-MiniLM-L6-v2"],
        "datasets": ["banking77.csv"],
        "language": ["en"],
        "library_name": "sentence-transformers",
        "license": "apache-2.0",
        "metrics": ["accuracy"],
        "pipeline_tag": "text-classification",
        "tags": ["edge-bert", "sentence-transformers", "distillation"],
    }


def test_a_metric_of_our_own_is_in_the_text_alone() -> None:
    """The hub would not know it."""
    card = write_card(embedding_run(), subject(Task.EMBEDDING))
    assert "metrics" not in ModelCard(card).data.to_dict()
    assert "The held-out agreement with the teacher of these weights is **0.9000**" in card


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (subject(), "logits = SentenceTransformer"),
        (subject(Task.EMBEDDING), "embeddings = SentenceTransformer"),
        (subject(Task.EMBEDDING, alike=False), "refuse the folder"),
        (subject(inherited={}), "name no licence"),
        (subject(), "says apache-2.0"),
    ],
)
def test_the_text_says_what_holds_for_this_model(described: CardSubject, words: str) -> None:
    """Only libraries that open it, and the source's licence or that there is none."""
    card = write_card(training_run(), described)
    assert words in card
    assert ("SentenceTransformer(" in card) == described.alike
    assert "banking was taught by banking-1-train." in card


def test_a_card_of_the_source_gives_what_holds_for_both(tmp_path: Path) -> None:
    """Licence, language and base model; not its tags."""
    (tmp_path / "README.md").write_text(SOURCE_CARD, "utf-8")
    fields = read_inherited_fields(tmp_path / "README.md")
    assert fields == {"license": "apache-2.0", "language": ["en"], "base_model": "a/b"}


@pytest.mark.parametrize(
    "card",
    [
        b"",
        b"no fields",
        b"---\n[1\n---\n",
        b"---\n- 1\n---\n",
        b"---\nlicense: {a: 1}\nlanguage: [1]\nbase_model: []\n---\n",
        b"---\nlicense: 2020-01-01\n---\n",
        b"\xff\xfe---\nlicense: mit\n---\n",
        b"---\nlicense: " + b"x" * 201 + b"\n---\n",
        b"---\nlicense: mit\n---\n" + b"x" * 2**20,
    ],
)
def test_a_foreign_card_that_says_nothing_plain_gives_nothing(card: bytes, tmp_path: Path) -> None:
    """However damaged it is; nor does one that is not there."""
    (tmp_path / "README.md").write_bytes(card)
    assert read_inherited_fields(tmp_path / "README.md") == {}
    assert read_inherited_fields(tmp_path / "elsewhere.md") == {}


def test_foreign_words_stay_words() -> None:
    """Names cannot end the fields, start HTML or run a command that is copied."""
    run = training_run()
    hostile = f"---\n{ATTACK}`$(rm)`"
    attacked = replace(
        run,
        name=hostile,
        kind=hostile,
        data=tuple(replace(used, source=hostile) for used in run.data),
        ancestors=tuple(replace(one, name=hostile, origin=hostile) for one in run.ancestors),
        machine=replace(run.machine, processor=hostile),
    )
    card = write_card(attacked, subject(labels=(hostile, "b"), inherited={"license": hostile}))
    fields = ModelCard(card).data.to_dict()
    assert fields["library_name"] == "sentence-transformers"
    body = card.split("\n---\n", 1)[1]
    assert "<script>" not in body
    assert "$(" not in body.replace("\\$", "")
    assert not set("\x00\x07\x1b\u202e") & set(card)
