"""The exported file computes what transformers computes, for every architecture and head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from benchmarks.peers import INSTALL
from benchmarks.records import OpenOrder, WriteOrder
from benchmarks.sessions import open_session
from benchmarks.write_file import write_onnx_float32
from edge_bert.data.tokenizing import Encoding
from edge_bert.encoder.checkpoint import input_names
from edge_bert.sources.load import load_checkpoint
from tests.recordings.parity.make import outputs, tokens
from tests.tiny.models import ARCHITECTURES, write

TOLERANCE = 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("head", ["mean-normalize", "cls", "classification"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_export_agrees_with_transformers(architecture: str, head: str, tmp_path: Path) -> None:
    """Each sentence at its own length, without padding, to 1e-5 of PyTorch's finished output."""
    for module in ("torch", "onnx", "onnxruntime"):
        pytest.importorskip(module, reason=INSTALL)
    folder = write(tmp_path / "tiny", architecture, head)
    model = load_checkpoint(str(folder), tmp_path)
    target, names = tmp_path / "float32.onnx", input_names(model)
    write_onnx_float32(WriteOrder("onnx_float32", str(folder), str(target), model.head, names))
    session = open_session(OpenOrder("onnx", str(target), model.head, 0, None, {}))
    rows = tokens(folder)
    sentences = [Encoding(tuple(r["input_ids"]), tuple(r["token_type_ids"])) for r in rows]
    actual = np.stack([session.infer(session.prepare(sentence)) for sentence in sentences])
    expected = outputs(folder, rows, head)
    if head == "classification":  # the reference has logits, users read probabilities
        expected = softmax(expected, axis=1)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)
