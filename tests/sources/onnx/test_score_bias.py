"""What is added to attention scores is MPNet's bias, nothing, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.relative_bias import relative_bias
from edge_bert.formats.onnx.read import read_onnx
from edge_bert.quantize.onnx.convert import write_float_onnx
from edge_bert.sources.onnx.parts import NotRecognized
from edge_bert.sources.onnx.recognize import recognize_encoder
from tests.compress.smaller import ragged
from tests.quantize.integer import encoders as tiny
from tests.recordings.onnx.make import HEADS, HERE, LENGTH
from tests.recordings.onnx.running import NEEDED

onnx = pytest.importorskip("onnx", reason=NEEDED.format("onnx"))
STATIC = "bert-tokens-script13-eager-static"
TABLE = np.random.RandomState(0).randn(32, HEADS).astype(np.float32)


def _adding(bias: np.ndarray, layers: int = 2) -> Any:
    """A recorded BERT of fixed shapes whose first layers add `bias` to their scores."""
    model = read_onnx(HERE / f"{STATIC}.onnx")
    softmaxes = [node for node in model.graph.node if node.op_type == "Softmax"]
    model.graph.initializer.append(onnx.numpy_helper.from_array(bias.astype(np.float32), "bias"))
    for index, softmax in enumerate(softmaxes[:layers]):
        added = onnx.helper.make_node("Add", [softmax.input[0], "bias"], [f"added_{index}"])
        model.graph.node.insert(list(model.graph.node).index(softmax), added)
        softmax.input[0] = f"added_{index}"
    return model


def test_a_relative_bias_is_read_whatever_the_model_is_called() -> None:
    """The table comes back, but for buckets of distances that no text of the model has."""
    encoder = recognize_encoder(_adding(relative_bias(TABLE, LENGTH)), {})
    assert encoder.relative_bias is not None
    np.testing.assert_allclose(
        relative_bias(encoder.relative_bias, LENGTH), relative_bias(TABLE, LENGTH), atol=1e-5
    )


def test_what_softmax_takes_away_is_no_bias() -> None:
    """The same number for every token that a token reads."""
    rows = np.random.RandomState(1).randn(1, 1, LENGTH, 1)
    assert recognize_encoder(_adding(rows), {}).relative_bias is None


@pytest.mark.parametrize(
    ("bias", "layers", "reason"),
    [
        (np.random.RandomState(2).randn(1, HEADS, LENGTH, LENGTH), 2, "neither a mask nor MPNet"),
        (np.triu(np.full((LENGTH, LENGTH), -1e4), 1), 2, "do not all see each other"),
        (-np.abs(np.arange(LENGTH) - np.arange(LENGTH)[:, None]), 2, "neither a mask nor MPNet"),
        (relative_bias(TABLE, LENGTH), 1, "layer 1 adds something else"),
    ],
    ids=["random", "causal", "linear", "one layer"],
)
def test_any_other_bias_is_refused(bias: np.ndarray, layers: int, reason: str) -> None:
    """A causal mask, ALiBi's distances and a bias of one layer are other models."""
    with pytest.raises(NotRecognized, match=reason):
        recognize_encoder(_adding(bias, layers), {})


def test_our_own_export_is_read_again() -> None:
    """MPNet from our own file has the table that it was written from, where a distance uses it."""
    weights = tiny.weights_of("mpnet")
    encoder = recognize_encoder(onnx.load_from_string(write_float_onnx(weights)), {})
    table = weights.layers[0].relative_bias
    assert encoder.relative_bias is not None
    assert table is not None
    np.testing.assert_allclose(
        relative_bias(encoder.relative_bias, 128), relative_bias(table, 128), atol=1e-5
    )


def test_pruned_heads_are_told_from_one_table() -> None:
    """An export whose layers have other heads each is no MPNet any more."""
    model = onnx.load_from_string(write_float_onnx(ragged("mpnet")))
    with pytest.raises(NotRecognized, match=r"several numbers of heads"):
        recognize_encoder(model, {})
