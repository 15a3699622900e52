"""The most telling output of a graph counts, and its head is the one that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_sentences
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, Pooling, Task
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.recordings.onnx.make import HIDDEN, WORDS
from tests.recordings.onnx.running import NEEDED, onnxruntime_outputs, sentences
from tests.sources.onnx.graphs import CLS, MEAN, TOKENS, dense, write_graph
from tests.tiny.models import write_json

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=NEEDED.format(package))
TOLERANCE = 1e-4
NER = {"architectures": ["BertForTokenClassification"]}
SPANS = {"architectures": ["BertForQuestionAnswering"]}


def _loaded(path: Path) -> Checkpoint:
    return load_checkpoint(str(path), path.parent)


def _outputs(checkpoint: Checkpoint) -> list[np.ndarray]:
    """Of each sentence, without padding."""
    inputs = sentences()
    counts = inputs["attention_mask"].sum(1)
    rows = [
        {name: array[[at], :count].astype(np.int32) for name, array in inputs.items()}
        for at, count in enumerate(counts)
    ]
    return run_sentences(encoder_weights(checkpoint), rows)


def _check(path: Path, checkpoint: Checkpoint) -> None:
    """The first output of the file, of the tokens that are no padding."""
    expected = onnxruntime_outputs(path, sentences())
    for row, output in zip(expected, _outputs(checkpoint), strict=True):
        own = row[: len(output)] if output.ndim == 2 else row.reshape(-1)
        assert np.abs(output - own).max() <= TOLERANCE


def test_a_dense_layer_behind_the_mean_is_read(tmp_path: Path) -> None:
    """As distiluse has it; the tokens beside it do not count, and the manifest says so."""
    nodes, arrays = dense("h/mean", 5, "h/dense")
    nodes = (*MEAN, *nodes, ("Tanh", ("h/dense",), "sentence_embedding"))
    path = write_graph(tmp_path, nodes, {"sentence_embedding": 2}, arrays)
    checkpoint = _loaded(path)
    assert checkpoint.head.poolings == (Pooling.MEAN,)
    assert [module.activation for module in checkpoint.head_modules] == ["tanh"]
    assert f"outputs that do not count: {TOKENS}" in str(checkpoint.warnings)
    _check(path, checkpoint)


@pytest.mark.parametrize("via", [None, "onnx2tf"])
def test_sentences_and_logits_together_are_refused(via: str | None, tmp_path: Path) -> None:
    """Nobody knows which of them counts, by either way in."""
    nodes = (*CLS, ("Identity", ("h/cls",), "sentence_embedding"), ("Neg", ("h/cls",), "logits"))
    path = write_graph(tmp_path, nodes, {"sentence_embedding": 2, "logits": 2})
    with refused(ModelError, "gives both sentence_embedding and logits; export it with the one"):
        load_checkpoint(str(path), tmp_path, None, via)


def test_an_output_that_is_not_understood_stops_the_reading(tmp_path: Path) -> None:
    """Though the tokens beside it are; the other way in takes it as it is."""
    nodes = (*MEAN, ("Softplus", ("h/mean",), "sentence_embedding"))
    path = write_graph(tmp_path, nodes, {"sentence_embedding": 2})
    with refused(ModelError, "'sentence_embedding' is no head .* Try invoke build --via onnx2tf"):
        _loaded(path)
    other = load_checkpoint(str(path), tmp_path, None, "onnx2tf")
    assert other.onnx is not None
    assert (other.onnx.outputs, other.onnx.needs_pooling) == (("sentence_embedding",), False)


@pytest.mark.parametrize("via", [None, "onnx2tf"])
def test_two_outputs_of_no_known_name_are_refused(via: str | None, tmp_path: Path) -> None:
    """As a model with dense and sparse vectors gives them."""
    nodes = (*MEAN, ("Neg", ("h/mean",), "dense_vecs"), ("Abs", ("h/mean",), "sparse_vecs"))
    path = write_graph(tmp_path, nodes, {"dense_vecs": 2, "sparse_vecs": 2}, tokens=False)
    with refused(ModelError, "dense_vecs, sparse_vecs counts; call one sentence_embedding"):
        load_checkpoint(str(path), tmp_path, None, via)


@pytest.mark.parametrize("beside", [True, False])
def test_a_pooler_counts_where_it_is_alone(beside: bool, tmp_path: Path) -> None:
    """Beside the tokens it is BERT's, trained for another task."""
    nodes, arrays = dense("h/cls", HIDDEN, "h/dense")
    nodes = (*CLS, *nodes, ("Tanh", ("h/dense",), "pooler_output"))
    path = write_graph(tmp_path, nodes, {"pooler_output": 2}, arrays, tokens=beside)
    checkpoint = _loaded(path)
    assert checkpoint.head.poolings == ((Pooling.MEAN,) if beside else (Pooling.CLS,))
    if not beside:
        _check(path, checkpoint)


def _one_logit(folder: Path, *, squeezed: bool, sigmoid: bool = False) -> Path:
    nodes, arrays = dense("h/cls", 1, "h/logit")
    nodes = (*CLS, *nodes)
    source = "h/logit"
    if sigmoid:
        nodes, source = (*nodes, ("Sigmoid", (source,), "h/share")), "h/share"
    shape = ("Squeeze", (source, "h/last")) if squeezed else ("Identity", (source,))
    nodes = (*nodes, (*shape, "logits"))
    return write_graph(folder, nodes, {"logits": 1 if squeezed else 2}, arrays, tokens=False)


@pytest.mark.parametrize("squeezed", [True, False])
def test_one_logit_is_read(squeezed: bool, tmp_path: Path) -> None:
    """A reranker's or a regression's, with or without an axis of its own."""
    path = _one_logit(tmp_path, squeezed=squeezed)
    checkpoint = _loaded(path)
    assert checkpoint.head.task is Task.CLASSIFICATION
    assert checkpoint.head.labels == ("LABEL_0",)
    _check(path, checkpoint)


def test_an_activation_in_the_graph_is_not_applied_twice(tmp_path: Path) -> None:
    """The head gives logits and says what their reader applies, which is what the graph does."""
    path = _one_logit(tmp_path, squeezed=False, sigmoid=True)
    checkpoint = _loaded(path)
    assert checkpoint.head.activation == "sigmoid"
    assert checkpoint.onnx is not None
    assert checkpoint.onnx.activation == "sigmoid"
    assert checkpoint.head_modules[-1].activation == "linear"
    shares = onnxruntime_outputs(path, sentences()).reshape(-1)
    logits = np.concatenate(_outputs(checkpoint))
    assert np.abs(1 / (1 + np.exp(-logits)) - shares).max() <= TOLERANCE


def _token_logits(folder: Path, width: int, output: str = "logits") -> Path:
    nodes, arrays = dense(TOKENS, width, output)
    return write_graph(folder, nodes, {output: 3}, arrays, tokens=False)


@pytest.mark.parametrize(("config", "task"), [
    (NER, Task.TOKEN_CLASSIFICATION), (SPANS, Task.QUESTION_ANSWERING),
])  # fmt: skip
def test_config_says_what_two_logits_a_token_are(
    config: dict[str, Any], task: Task, tmp_path: Path
) -> None:
    """Two labels, or the start and the end of an answer; without it nobody knows."""
    path = _token_logits(tmp_path, 2)
    with refused(ModelError, "'logits' of 2 numbers is; put the model's config.json beside it"):
        _loaded(path)
    write_json(tmp_path / "config.json", config)
    checkpoint = _loaded(path)
    assert (checkpoint.head.task, checkpoint.head.poolings) == (task, ())
    _check(path, checkpoint)


def test_labels_of_tokens_come_from_config(tmp_path: Path) -> None:
    """And must be as many as the logits."""
    path = _token_logits(tmp_path, 3)
    labels = {"0": "O", "1": "B-PER", "2": "I-PER"}
    write_json(tmp_path / "config.json", NER | {"id2label": labels})
    checkpoint = _loaded(path)
    assert checkpoint.head.labels == tuple(labels.values())
    assert checkpoint.head.activation == "softmax"
    _check(path, checkpoint)
    write_json(tmp_path / "config.json", NER | {"id2label": {"0": "O", "1": "B-PER"}})
    with refused(ModelError, "2 labels, the graph gives 3 logits"):
        _loaded(path)


def test_start_and_end_are_one_head(tmp_path: Path) -> None:
    """Two outputs, whichever column of the dense layer is which."""
    nodes, arrays = dense(TOKENS, 2, "h/span")
    columns = {"start_logits": np.array(1), "end_logits": np.array(0)}
    picks = tuple(("Gather", ("h/span", f"h/{name}"), name, {"axis": -1}) for name in columns)
    arrays |= {f"h/{name}": column for name, column in columns.items()}
    path = write_graph(tmp_path, (*nodes, *picks), dict.fromkeys(columns, 2), arrays)
    checkpoint = _loaded(path)
    assert checkpoint.head.task is Task.QUESTION_ANSWERING
    assert checkpoint.onnx is not None
    assert checkpoint.onnx.outputs == ("start_logits", "end_logits")
    starts = onnxruntime_outputs(path, sentences())
    for row, output in zip(starts, _outputs(checkpoint), strict=True):
        assert np.abs(output[:, 0] - row[: len(output)]).max() <= TOLERANCE
    with refused(ModelError, "--via onnx2tf does not take; give --model the folder"):
        load_checkpoint(str(path), tmp_path, None, "onnx2tf")


def test_projected_tokens_are_token_vectors(tmp_path: Path) -> None:
    """As ColBERT's are."""
    path = _token_logits(tmp_path, 5, "token_embeddings")
    checkpoint = _loaded(path)
    assert checkpoint.head.task is Task.TOKEN_EMBEDDING
    _check(path, checkpoint)


def test_a_number_for_every_word_is_refused(tmp_path: Path) -> None:
    """A model that fills masks is no classifier of thousands of labels."""
    with refused(ModelError, "'logits' has a number for every word .* without that"):
        _loaded(_token_logits(tmp_path, WORDS))


def test_tokens_of_a_classifier_are_refused(tmp_path: Path) -> None:
    """Its config.json lies beside them, its head is not in the file."""
    path = write_graph(tmp_path, (), {})
    write_json(tmp_path / "config.json", {"architectures": ["BertForSequenceClassification"]})
    with refused(ModelError, "a model for classification, and last_hidden_state gives tokens"):
        _loaded(path)


def test_a_vector_that_nothing_describes_is_refused(tmp_path: Path) -> None:
    """Logits or an embedding: asked for, with what says it."""
    nodes, arrays = dense("h/cls", 4, "output")
    path = write_graph(tmp_path, (*CLS, *nodes), {"output": 2}, arrays, tokens=False)
    with refused(ModelError, "nothing says what its output 'output' of 4 numbers is; put the"):
        _loaded(path)
    labels = {str(index): f"label {index}" for index in range(4)}
    write_json(tmp_path / "config.json", {"id2label": labels})
    assert _loaded(path).head.task is Task.CLASSIFICATION


def test_weights_that_nothing_reads_are_named(tmp_path: Path) -> None:
    """In the manifest; they do not stop the reading."""
    path = write_graph(tmp_path, (), {}, {"linear.weight": np.zeros((4, HIDDEN), np.float32)})
    assert "weights that nothing reads:" in str(_loaded(path).warnings)
    assert "linear.weight" in str(_loaded(path).warnings)
