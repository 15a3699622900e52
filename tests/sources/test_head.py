"""Heads: what sentence-transformers' files and a classifier's configuration ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Head, Pooling, Task
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import LABELS, TAGS, change_json, write, write_json

MODELS = "sentence_transformers.models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound BERT sentence-embedding model."""
    return write(tmp_path / "model")


@pytest.mark.parametrize("path", ["..", "../other", "/etc", "1_Pooling/../..", "a\0b", "x" * 5000])
def test_modules_stay_inside_the_folder(path: str, folder: Path, tmp_path: Path) -> None:
    """modules.json cannot point at files of the user."""
    write_json(tmp_path / "other" / "config.json", {"pooling_mode_cls_token": True})
    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": path},
    ]
    write_json(folder / "modules.json", modules)
    with refused(ModelError, "outside the model folder|not a path|missing|cannot be read|too long"):
        load_checkpoint(str(folder), tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """A module's folder may be no link to elsewhere."""
    write_json(tmp_path / "other" / "config.json", {"pooling_mode_cls_token": True})
    (folder / "2_Pooling").symlink_to(tmp_path / "other")
    modules = [{"type": "sentence_transformers.models.Pooling", "path": "2_Pooling"}]
    write_json(folder / "modules.json", modules)
    with refused(ModelError, "outside the model folder"):
        load_checkpoint(str(folder), tmp_path)


@pytest.mark.parametrize("kind", ["LSTM", "evil\nline", "x" * 10_000])
def test_a_module_that_we_do_not_have_is_refused(kind: str, folder: Path, tmp_path: Path) -> None:
    """The error lists the modules that there are."""
    write_json(folder / "modules.json", [{"type": kind}])
    with refused(ModelError, "Transformer, Pooling, Dense"):
        load_checkpoint(str(folder), tmp_path)


def test_an_encoder_in_a_folder_of_its_own_is_read_there(folder: Path, tmp_path: Path) -> None:
    """Old versions of sentence-transformers saved it there, and new ones read it still."""
    from sentence_transformers import SentenceTransformer

    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in [*folder.glob("*.safetensors"), *folder.glob("*token*"), folder / "config.json"]:
        path.rename(inner / path.name)
    vocabulary = folder / "vocab.txt"
    vocabulary.rename(inner / vocabulary.name)
    write_json(inner / "sentence_bert_config.json", {"max_seq_length": 8, "do_lower_case": True})
    modules = [
        {"idx": 0, "name": "0", "path": inner.name, "type": f"{MODELS}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{MODELS}.Pooling"},
    ]
    write_json(folder / "modules.json", modules)
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    write_json(folder / "1_Pooling" / "config.json", pooling)
    texts = ["The first of TWO texts is longer than eight tokens are", "short"]
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts)
    checkpoint = load_checkpoint(str(folder), tmp_path)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
    weights = encoder_weights(checkpoint)
    inputs = encode_unpadded(tokenizer, weights.input_names, texts)
    np.testing.assert_allclose(run_encoder(weights, inputs), expected, atol=1e-4)


@pytest.mark.parametrize("head", ["last", "last-normalize", "mean", "classification"])
def test_a_decoder_has_heads_of_its_own(head: str, tmp_path: Path) -> None:
    """GPT-2 pools its last token where sentence-transformers says so, and classifies it."""
    found = load_checkpoint(str(write(tmp_path / "gpt2", "gpt2", head)), tmp_path).head
    assert found.poolings == (Pooling.MEAN if head == "mean" else Pooling.LAST,)
    assert found.normalize is head.endswith("-normalize")


def test_a_bare_decoder_gives_the_mean(tmp_path: Path) -> None:
    """As a bare encoder does; a language model's last layer is left alone."""
    folder = write(tmp_path / "gpt2", "gpt2", "mean")
    (folder / "modules.json").unlink()
    change_json(folder / "config.json", architectures=["GPT2LMHeadModel"])
    found = load_checkpoint(str(folder), tmp_path).head
    assert (found.task, found.poolings) == (Task.EMBEDDING, (Pooling.MEAN,))


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A sound BERT classifier."""
    return write(tmp_path / "classifier", "bert", "classification")


@pytest.mark.parametrize(
    ("changes", "labels", "activation"),
    [
        ({}, LABELS, "softmax"),
        ({"problem_type": "multi_label_classification"}, LABELS, "sigmoid"),
        ({"id2label": {"0": "score"}}, ("score",), "sigmoid"),
        ({"id2label": {"0": "score"}, "problem_type": "regression"}, ("score",), "identity"),
        ({"id2label": None}, ("LABEL_0", "LABEL_1"), "softmax"),
        ({"id2label": None, "num_labels": 1}, ("LABEL_0",), "sigmoid"),
        ({"id2label": {"1": "b", "0": "a"}}, ("a", "b"), "softmax"),
    ],
)
def test_a_classifier_says_what_its_outputs_mean(
    changes: dict[str, Any],
    labels: tuple[str, ...],
    activation: str,
    classifier: Path,
    tmp_path: Path,
) -> None:
    """Labels and activation as transformers reads them from the configuration."""
    change_json(classifier / "config.json", **changes)
    head = load_checkpoint(str(classifier), tmp_path).head
    assert (head.task, head.labels, head.activation) == (Task.CLASSIFICATION, labels, activation)


def test_heads_of_tokens_pool_nothing(tmp_path: Path) -> None:
    """Tags go through a softmax, whatever problem_type says; an answer's two logits stay."""
    folder = write(tmp_path / "tags", "bert", "token_classification")
    change_json(folder / "config.json", problem_type="multi_label_classification")
    head = load_checkpoint(str(folder), tmp_path).head
    assert head == Head(Task.TOKEN_CLASSIFICATION, (), labels=TAGS, activation="softmax")
    folder = write(tmp_path / "answers", "distilbert", "question_answering")
    assert load_checkpoint(str(folder), tmp_path).head == Head(Task.QUESTION_ANSWERING, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"id2label": {"1": "a", "2": "b"}},
        {"id2label": {}},
        {"id2label": ["a", "b"]},
        {"id2label": 3},
        {"id2label": {"0": ["a"], "1": "b"}},
        {"id2label": None, "num_labels": "two"},
        {"id2label": None, "num_labels": 10**9},
        {"id2label": None, "num_labels": -1},
        {"id2label": None, "num_labels": True},
        {"problem_type": "ranking"},
        {"problem_type": ["regression"]},
        {"architectures": "BertForSequenceClassification"},
        {"architectures": 5},
        {"architectures": ["BertForMultipleChoice"]},
        {"architectures": ["BertForNextSentencePrediction"]},
    ],
)
def test_a_head_that_cannot_be_read_is_refused(
    changes: dict[str, Any], classifier: Path, tmp_path: Path
) -> None:
    """Labels that are none, and models that were trained for another task."""
    change_json(classifier / "config.json", **changes)
    with refused(ModelError, "config.json"):
        load_checkpoint(str(classifier), tmp_path)


@pytest.mark.parametrize("name", ["BertModel", "BertForMaskedLM", "BertForPreTraining"])
def test_a_bare_encoder_gives_the_mean_of_its_tokens(name: str, folder: Path) -> None:
    """Without sentence-transformers' files and without a classifier."""
    (folder / "modules.json").unlink()
    change_json(folder / "config.json", architectures=[name])
    head = load_checkpoint(str(folder), folder).head
    assert (head.task, head.poolings, head.normalize) == (Task.EMBEDDING, (Pooling.MEAN,), False)
