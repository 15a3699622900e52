"""Encoders that edge-bert does not know become TFLite files with a signature per length."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.convert.onnx2tf import convert, onnx2tf_worker
from edge_bert.convert.onnx2tf.convert import convert_onnx_to_tflite
from edge_bert.errors import MissingToolError, ModelError
from edge_bert.sources.load import load_checkpoint
from tests.encoder.running import tflite_runner
from tests.one_line import refused
from tests.recordings.onnx.make import EVERY, Case, export
from tests.recordings.onnx.running import (
    BERT,
    LENGTH,
    NEEDED,
    OTHERS,
    mean_of,
    onnxruntime_outputs,
    placed,
    sentences,
)
from tests.sources.onnx.graphs import MEAN, write_graph

onnx = pytest.importorskip("onnx", reason=NEEDED.format("onnx"))
TOLERANCE = 1e-4
# Embeddings are 8 wide and layers 16, as are these lengths: sizes do not say which axis is which.
LENGTHS = (8, LENGTH)
# A conversion takes long; the simplified graphs of all exports are held to onnxruntime. One of
# MobileBERT's is recorded.
CASES = [
    case
    for case in EVERY
    if (case.exporter, case.opset, case.attention, case.dynamic)
    in (("script", 17, "sdpa", True), ("dynamo", 18, "eager", True))
    and case.name not in OTHERS
]


def _loaded(path: Path) -> Any:
    return load_checkpoint(str(path), path.parent, None, "onnx2tf")


def _check(path: Path, lengths: tuple[int, ...]) -> None:
    """In every signature, what onnxruntime gives: the mean of the tokens."""
    checkpoint = _loaded(path)
    run = tflite_runner(convert_onnx_to_tflite(checkpoint, lengths))
    for length in lengths:
        inputs = {name: array[:, :length] for name, array in sentences().items()}
        expected = mean_of(onnxruntime_outputs(path, inputs), inputs)
        named = {name: inputs[name].astype(np.int32) for name in checkpoint.onnx.inputs.values()}
        difference = np.abs(run(length, named) - expected).max()
        assert difference <= TOLERANCE * max(1, np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_recorded_encoders_give_what_onnxruntime_gives(name: str, tmp_path: Path) -> None:
    """ALBERT, ELECTRA and MobileBERT, which the first way in does not recognise."""
    # Importing it here would lift the recursion limit of every test that follows.
    if importlib.util.find_spec("onnx2tf") is None:
        pytest.skip(NEEDED.format("onnx2tf"))
    _check(placed(tmp_path, name), LENGTHS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_export_gives_what_onnxruntime_gives(case: Case, tmp_path: Path) -> None:
    """Six architectures, both exporters, both attentions."""
    for package in ("onnx2tf", "torch", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: 'edge-bert[onnx,torch]'")
    path = placed(tmp_path, BERT[0] if case.family != "roberta" else BERT[-1])
    export(case, path)
    _check(path, (LENGTH,))


@pytest.mark.slow
def test_a_head_that_is_not_understood_goes_this_way(tmp_path: Path) -> None:
    """As the message that refuses it says: the telling output as it is, not the tokens' mean."""
    if importlib.util.find_spec("onnx2tf") is None:
        pytest.skip(NEEDED.format("onnx2tf"))
    nodes = (*MEAN, ("Softplus", ("h/mean",), "sentence_embedding"))
    path = write_graph(tmp_path, nodes, {"sentence_embedding": 2})
    with refused(ModelError, "Try invoke build --via onnx2tf"):
        load_checkpoint(str(path), tmp_path)
    checkpoint = _loaded(path)
    run = tflite_runner(convert_onnx_to_tflite(checkpoint, (LENGTH,)))
    inputs = {name: array.astype(np.int32) for name, array in sentences().items()}
    expected = onnxruntime_outputs(path, sentences())
    assert np.abs(run(LENGTH, inputs) - expected).max() <= TOLERANCE


def _first(model: Any, op: str) -> Any:
    return next(node for node in model.graph.node if node.op_type == op)


def test_an_operator_that_is_not_converted_is_named(tmp_path: Path) -> None:
    """With its place in the graph, before anything long begins."""
    path = placed(tmp_path, BERT[0])
    model = onnx.load_model(path)
    node = _first(model, "Softmax")
    node.op_type, node.domain, node.name = "Sparsemax", "acme", "here"
    model.opset_import.append(onnx.helper.make_opsetid("acme", 1))
    del node.attribute[:]
    onnx.save_model(model, path)
    with refused(ModelError, "Sparsemax at 'here' is an operator that onnx2tf does not convert"):
        convert_onnx_to_tflite(_loaded(path), (LENGTH,))


def test_attention_that_onnxruntime_fused_is_refused(tmp_path: Path) -> None:
    """Its mask would be lost; the file before fusing is asked for."""
    path = placed(tmp_path, "bert-fused")
    with refused(ModelError, "fused by ONNX Runtime; give the model as it was exported"):
        convert_onnx_to_tflite(_loaded(path), (LENGTH,))


def test_without_onnx2tf_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how to get it."""
    monkeypatch.setattr(convert, "PACKAGE", "no-such-package")
    with refused(MissingToolError, r"pip install 'edge-bert\[onnx\]'"):
        convert_onnx_to_tflite(_loaded(placed(tmp_path, BERT[0])), (LENGTH,))


def test_a_length_that_the_positions_lack_is_refused(tmp_path: Path) -> None:
    """The graph has 64 positions."""
    with refused(ModelError, "does not fit 100 tokens"):
        convert_onnx_to_tflite(_loaded(placed(tmp_path, BERT[0])), (100,))


def test_operators_that_tflite_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of a page of the converter's words; other reasons stay as they are."""
    page = "error: 'tf.Einsum' op is neither a custom op nor a flex op\n 'tf.Bar' op is neither …"

    def convert_none(_request: dict[str, Any]) -> bytes:
        raise SystemExit(page)

    monkeypatch.setattr(onnx2tf_worker, "_convert", convert_none)
    with pytest.raises(RuntimeError, match=r"^TFLite lacks tf\.Bar, tf\.Einsum$"):
        onnx2tf_worker.convert_files({}, {})
    page = "no such axis"
    with pytest.raises(RuntimeError, match=r"^no such axis$"):
        onnx2tf_worker.convert_files({}, {})
