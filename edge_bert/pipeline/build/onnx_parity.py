"""Parity of a model that came as ONNX: our float32 file against onnxruntime on the original."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import VerificationError
from edge_bert.evaluate.outputs import normalize_rows
from edge_bert.pipeline.build.artifacts import build_float_model
from edge_bert.pipeline.build.run_signatures import ModelUnderTest, run_signatures
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress
from edge_bert.records.checkpoint import FloatArray, Head, OnnxFile, Pooling
from edge_bert.records.profile import Runtime
from edge_bert.runtimes import onnxruntime

TOLERANCE = 1e-4
FLOAT16_TOLERANCE = 2e-2  # onnxruntime computes such a file in float16, we in float32
SENTENCES = 8
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
Row = dict[str, npt.NDArray[np.int64]]


def check_parity(session: BuildSession, host: Runtime, progress: Progress) -> None:
    """Compare the float32 file with onnxruntime on a few held-out sentences.

    Raises VerificationError where outputs differ by more than the tolerance, which is relative to
    the largest output, or absolute where that is below 1.
    """
    file = session.checkpoint.onnx
    if file is None:
        return
    longest = min(max(session.lengths), file.fixed_length or max(session.lengths))
    tokenizer = Tokenizer.open_file(session.checkpoint.tokenizer, longest)
    encodings = _spread(tokenizer.encode_batch(session.calibration.held_out))
    lengths = [file.fixed_length] if file.fixed_length else session.lengths
    rows = [_row(file, encoding, lengths, tokenizer.pad_id) for encoding in encodings]
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        path = Path(folder) / "float32.tflite"
        path.write_bytes(build_float_model(session, progress))
        subject = ModelUnderTest.of(path, session.checkpoint.head)
        outputs = run_signatures(subject, encodings, tokenizer.pad_id, host).by_sentence()
    expected = _expected_outputs(file, rows, list(map(len, encodings)), session.checkpoint.head)
    difference = relative_difference(outputs, expected)
    if difference > (FLOAT16_TOLERANCE if file.float16 else TOLERANCE):
        remedy = "try --via onnx2tf" if session.checkpoint.weights else "try it without --via"
        raise VerificationError(
            f"The float32 file differs from {file.path.name} on onnxruntime by {difference:.1e} of "
            f"the largest output: it was read or converted wrongly; {remedy}, and report the model."
        )
    progress(f"float32: within {difference:.0e} of onnxruntime on {len(encodings)} sentences")


def relative_difference(outputs: FloatArray, expected: FloatArray) -> float:
    """The largest difference, as a fraction of the largest output where that is above 1."""
    if outputs.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(outputs - expected).max() / max(1.0, float(np.abs(expected).max())))
    return largest if np.isfinite(largest) else float("inf")


def _spread(encodings: Sequence[Encoding]) -> list[Encoding]:
    """A few sentences from the shortest to the longest."""
    ordered = sorted(encodings, key=len)
    picks = np.linspace(0, len(ordered) - 1, min(SENTENCES, len(ordered))).round().astype(int)
    return [ordered[index] for index in picks]


def _expected_outputs(
    file: OnnxFile, rows: Sequence[Row], counts: Sequence[int], head: Head
) -> FloatArray:
    """onnxruntime's outputs for `rows`, of which the first `counts` tokens are no padding."""
    outputs = onnxruntime.run_onnx_model(file.path, rows, file.output)
    if file.gives_tokens:
        outputs = [
            _pool_tokens(tokens[:count], head)
            for tokens, count in zip(outputs, counts, strict=True)
        ]
    return _cut_rows(np.stack([output.reshape(-1) for output in outputs]), head)


def _cut_rows(rows: FloatArray, head: Head) -> FloatArray:
    """Rows [n, width] with the channels that the head keeps."""
    if head.dimensions is None:
        return rows
    cut = rows[:, : head.dimensions]
    return normalize_rows(cut) if head.normalize else cut


def _row(file: OnnxFile, encoding: Encoding, lengths: Sequence[int], pad_id: int) -> Row:
    """The sentence as its bucket holds it; without padding where the file takes no mask."""
    masked = "attention_mask" in file.inputs.values()
    length = choose_bucket(len(encoding), lengths) if masked else len(encoding)
    values = {"position_ids": np.arange(length)}
    values |= {
        name: array[0] for name, array in pad_encoding(encoding, length, pad_id, INPUTS).items()
    }
    return {name: values[ours].astype(np.int64) for name, ours in file.inputs.items()}


def _pool_tokens(tokens: FloatArray, head: Head) -> FloatArray:
    """One vector from the vectors [tokens, width] of a sentence, as the head says."""
    vector = tokens[0] if head.poolings == (Pooling.CLS,) else tokens.mean(0)
    return np.asarray(vector / np.linalg.norm(vector) if head.normalize else vector)
