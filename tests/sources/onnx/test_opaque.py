"""The edges of an ONNX file that onnx2tf is to convert: inputs, output, sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import ModelError, RefusedError
from edge_bert.records.checkpoint import Checkpoint, Pooling, Task
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.recordings.onnx.make import WORDS
from tests.recordings.onnx.running import BERT, NEEDED, OTHERS, WITH_HEADS, placed

onnx = pytest.importorskip("onnx", reason=NEEDED.format("onnx"))


def _loaded(path: Path) -> Checkpoint:
    return load_checkpoint(str(path), path.parent, None, "onnx2tf")


@pytest.mark.parametrize(
    ("name", "task", "tokens"),
    [
        (OTHERS[2], Task.EMBEDDING, True),
        (WITH_HEADS[0], Task.EMBEDDING, False),
        (WITH_HEADS[2], Task.CLASSIFICATION, False),
    ],
)
def test_the_output_says_the_task(name: str, task: Task, tokens: bool, tmp_path: Path) -> None:
    """Tokens are pooled, a vector is an embedding, logits are a classifier's."""
    checkpoint = _loaded(placed(tmp_path, name))
    assert checkpoint.onnx is not None
    assert (checkpoint.head.task, checkpoint.onnx.needs_pooling) == (task, tokens)
    assert checkpoint.head.poolings == (
        Pooling.CLS if task is not Task.EMBEDDING else Pooling.MEAN,
    )
    assert checkpoint.onnx.vocabulary == WORDS
    assert not checkpoint.weights


def test_what_needs_layers_is_refused(tmp_path: Path) -> None:
    """With the recipes that there are; a search for a smaller model goes on without it."""
    checkpoint = _loaded(placed(tmp_path, OTHERS[2]))
    with refused(RefusedError, "onnx2tf .* take float32, float16 or wi8_afp32"):
        encoder_weights(checkpoint)


def _with(path: Path, change: Any) -> Path:
    model = onnx.load_model(path)
    change(model)
    onnx.save_model(model, path)
    return path


def test_a_pooler_beside_the_tokens_is_not_taken(tmp_path: Path) -> None:
    """BERT's is trained for another task; the tokens count, whichever comes first."""

    def add(model: Any) -> None:
        (tokens,) = model.graph.output
        first = onnx.helper.make_node("ReduceMax", [tokens.name], ["pooler_output"], axes=[1])
        model.graph.node.append(first)
        pooled = onnx.helper.make_tensor_value_info("pooler_output", 1, [None, 1, 16])
        model.graph.output.insert(0, pooled)

    path = _with(placed(tmp_path, "bert-tokens-script14-sdpa-dynamic"), add)
    for via in (None, "onnx2tf"):
        checkpoint = load_checkpoint(str(path), tmp_path, None, via)
        assert checkpoint.onnx is not None
        assert checkpoint.onnx.outputs == ("last_hidden_state",)


def test_an_opset_before_13_is_refused(tmp_path: Path) -> None:
    """Though the first way in reads it."""

    def older(model: Any) -> None:
        model.opset_import[0].version = 12
        del model.graph.node[:]
        model.graph.node.append(onnx.helper.make_node("Gather", ["t", "input_ids"], ["o"]))
        del model.graph.initializer[:]
        model.graph.initializer.append(
            onnx.helper.make_tensor("t", 1, [2, 2], [0.0, 1.0, 2.0, 3.0])
        )
        model.graph.output[0].name = "o"

    with refused(ModelError, "opset 12; --via onnx2tf takes opset 13"):
        _loaded(_with(placed(tmp_path, BERT[0]), older))


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    """A phone gives one sentence at a time."""

    def batch(model: Any) -> None:
        for each in model.graph.input:
            each.type.tensor_type.shape.dim[0].dim_value = 4

    with refused(ModelError, "a fixed batch of 4"):
        _loaded(_with(placed(tmp_path, BERT[0]), batch))


def test_an_output_of_another_rank_is_refused(tmp_path: Path) -> None:
    """Neither tokens nor a vector."""

    def flat(model: Any) -> None:
        del model.graph.output[0].type.tensor_type.shape.dim[1:]

    with refused(ModelError, "no output \\[batch, width\\]"):
        _loaded(_with(placed(tmp_path, "bert-tokens-dynamo18-sdpa-dynamic"), flat))
