"""The float32 file of a model that came as ONNX gives what onnxruntime gives for that file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import ProofError
from edge_bert.pipeline import convert
from edge_bert.pipeline.request import BuildRequest
from edge_bert.pipeline.running import Subject, run
from edge_bert.progress import Progress
from edge_bert.records.checkpoint import FloatArray, Head, OnnxFile, Pooling
from edge_bert.records.profile import Runtime
from edge_bert.targets import onnx_file

TOLERANCE = 1e-4
FLOAT16_TOLERANCE = 2e-2  # onnxruntime computes such a file in float16, we in float32
SENTENCES = 8


def check(request: BuildRequest, reference: bytes, host: Runtime, progress: Progress) -> None:
    """Raises ProofError where outputs differ by more than the tolerance.

    The tolerance is of the largest output, or absolute where that is below 1.
    """
    file = request.checkpoint.onnx
    if file is None:
        return
    tokenizer = convert.tokenizer_of(request)
    encodings = _spread(tokenizer.encode_batch(request.calibration.held_out))
    expected = _expected(file, encodings, request.checkpoint.head)
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        path = Path(folder) / "float32.tflite"
        path.write_bytes(reference)
        subject = Subject.of(path, request.checkpoint.head)
        found = run(subject, encodings, tokenizer.pad_id, host).by_sentence()
    worst = difference(found, expected)
    if worst > (FLOAT16_TOLERANCE if file.float16 else TOLERANCE):
        raise ProofError(
            f"The float32 file differs from {file.path.name} on onnxruntime by {worst:.1e} of the "
            "largest output; that is a fault of ours: try --via onnx2tf, and report the model."
        )
    progress(f"float32: within {worst:.0e} of onnxruntime on {len(encodings)} sentences")


def difference(found: FloatArray, expected: FloatArray) -> float:
    """The largest difference, as a part of the largest output where that is above 1."""
    if found.shape != expected.shape:
        return float("inf")
    worst = float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))
    return worst if np.isfinite(worst) else float("inf")


def _spread(encodings: Sequence[Encoding]) -> list[Encoding]:
    """A few sentences from the shortest to the longest."""
    ordered = sorted(encodings, key=len)
    picks = np.linspace(0, len(ordered) - 1, min(SENTENCES, len(ordered))).round().astype(int)
    return [ordered[index] for index in picks]


def _expected(file: OnnxFile, encodings: Sequence[Encoding], head: Head) -> FloatArray:
    rows = [_row(file, each) for each in encodings]
    outputs = onnx_file.run(file.path, rows, file.output)
    if file.gives_tokens:
        outputs = [
            _pooled(tokens[: len(each)], head)
            for tokens, each in zip(outputs, encodings, strict=True)
        ]
    return np.stack([each.reshape(-1) for each in outputs])


def _row(file: OnnxFile, encoding: Encoding) -> dict[str, npt.NDArray[np.int64]]:
    values = {
        "input_ids": encoding.ids,
        "attention_mask": [1] * len(encoding),
        "token_type_ids": encoding.type_ids,
        "position_ids": range(len(encoding)),
    }
    return {name: np.array(values[ours], np.int64) for name, ours in file.inputs.items()}


def _pooled(tokens: FloatArray, head: Head) -> FloatArray:
    """One vector from the vectors [tokens, width] of a sentence, as the head says."""
    vector = tokens[0] if head.pooling is Pooling.CLS else tokens.mean(0)
    return np.asarray(vector / np.linalg.norm(vector) if head.normalize else vector)
