"""Random heads in ONNX files: read as onnxruntime computes them, or refused; never another."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.numpy_ops import apply_activation, softmax
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.recordings.onnx.make import LENGTH, WORDS
from tests.recordings.onnx.running import NEEDED
from tests.sources.onnx.random_heads import Spec, draw_spec, export_head
from tests.tiny.models import write_json
from tests.tiny.tokenizer_files import write_wordpiece

for package in ("torch", "onnx", "onnxruntime"):
    pytest.importorskip(package, reason=NEEDED.format(package))
COUNT = int(os.environ.get("EDGE_BERT_RANDOM_HEADS", "12"))
TOLERANCE, FLOAT16_TOLERANCE = 1e-4, 2e-2


def _sentences() -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.integers(5, WORDS, (1, length)) for length in (LENGTH, 9, 4, 2)]


def _expected(path: Path, spec: Spec) -> np.ndarray:
    """onnxruntime on padded sentences, a row a sentence, or a row a token."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = []
    for ids in _sentences():
        count = ids.shape[1]
        feeds = {name: np.zeros((1, LENGTH), np.int64) for name in ("input_ids", "token_type_ids")}
        feeds["input_ids"][:, :count] = ids
        feeds["attention_mask"] = (np.arange(LENGTH) < count).astype(np.int64)[None]
        values = session.run(spec.names, feeds)
        if spec.kind in ("tokens", "span"):
            parts = [value.reshape(LENGTH, -1)[:count] for value in values]
            rows.append(np.concatenate(parts, axis=-1))
        else:
            rows.append(values[0].reshape(1, -1))
    return np.concatenate(rows).astype(np.float32)


def _outputs(checkpoint: Checkpoint) -> np.ndarray:
    weights = encoder_weights(checkpoint)
    rows = [
        {"input_ids": ids.astype(np.int32), "token_type_ids": np.zeros_like(ids, np.int32)}
        for ids in _sentences()
    ]
    values = run_encoder(weights, rows)
    activation = checkpoint.onnx.activation if checkpoint.onnx else "identity"
    if activation == "softmax":
        return softmax(values)
    return values if activation == "identity" else apply_activation(values, activation)


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_heads_are_those_of_onnxruntime(seed: int, tmp_path: Path) -> None:
    """Poolings, layers, cuts, classifiers, tokens and spans; plain, fused, and in float16."""
    spec, path = draw_spec(seed), tmp_path / "model.onnx"
    write_wordpiece(tmp_path)
    export_head(spec, path, seed)
    if spec.kind == "tokens":
        write_json(tmp_path / "config.json", {"architectures": ["BertForTokenClassification"]})
    if spec.strange:
        with refused(ModelError, "'sentence_embedding' .*Try invoke build --via onnx2tf"):
            load_checkpoint(str(path), tmp_path)
        return
    checkpoint = load_checkpoint(str(path), tmp_path)
    expected, outputs = _expected(path, spec), _outputs(checkpoint)
    tolerance = FLOAT16_TOLERANCE if "float16" in str(spec.after) else TOLERANCE
    assert outputs.shape == expected.shape, spec
    difference = np.abs(outputs - expected).max() / max(1.0, np.abs(expected).max())
    assert difference <= tolerance, spec
