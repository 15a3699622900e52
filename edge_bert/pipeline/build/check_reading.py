"""A model that came as ONNX, as it was read, held against onnxruntime on the original file.

Every stage that opens a model from a file goes through here, so that none works with weights that
compute something else. A folder's reading is held to recorded references, in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.calibration import digest_sentences
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.numpy_head import apply_head, pool_tokens
from edge_bert.encoder.numpy_ops import apply_activation, normalize_rows, softmax
from edge_bert.errors import VerificationError
from edge_bert.records.checkpoint import Checkpoint, FloatArray, Head, OnnxFile
from edge_bert.runtimes import onnxruntime
from edge_bert.sources.onnx.load import load_onnx
from edge_bert.store.cached import cached_record

TOLERANCE = 1e-4
FLOAT16_TOLERANCE = 2e-2  # onnxruntime computes such a file in float16, we in float32
SENTENCES = 8
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
Row = dict[str, npt.NDArray[np.int64]]


def check_reading(checkpoint: Checkpoint, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Compare the weights that were read, computed in numpy, with onnxruntime on a few of `texts`.

    Once per model and texts. What was not read from ONNX, or is onnx2tf's to convert, passes.
    Raises VerificationError where outputs differ by more than the tolerance.
    """
    file = checkpoint.onnx
    if file is None or not checkpoint.weights:
        return
    difference = cached_record(
        float,
        "readings",
        [checkpoint.sha256, checkpoint.head, tokenizer.max_length, digest_sentences(texts)],
        lambda: _measure_difference(checkpoint, file, tokenizer, texts),
        (check_reading, load_onnx),
    )
    if not difference <= tolerance_of(file):
        raise VerificationError(
            f"The model as read differs from {file.path.name} on onnxruntime by {difference:.1e} "
            "of the largest output: it was read wrongly; report the model."
        )


def tolerance_of(file: OnnxFile) -> float:
    """What outputs may differ by, as a fraction of the largest."""
    return FLOAT16_TOLERANCE if file.float16 else TOLERANCE


def _measure_difference(
    checkpoint: Checkpoint, file: OnnxFile, tokenizer: Tokenizer, texts: Sequence[str]
) -> float:
    encodings = choose_sentences(file, tokenizer, texts)
    weights, pad_id = encoder_weights(checkpoint), tokenizer.pad_id
    rows = [pad_encoding(x, len(x), pad_id, weights.input_names) for x in encodings]
    outputs = run_encoder(weights, rows)
    expected = expected_outputs(checkpoint, encodings, (), pad_id)
    return relative_difference(apply_file_activation(file, outputs), expected)


def choose_sentences(file: OnnxFile, tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    """A few sentences from the shortest to the longest that the file takes."""
    longest = file.fixed_length or tokenizer.max_length
    short_texts = [row for row in tokenizer.encode_batch(texts) if len(row) <= longest]
    ordered = sorted(short_texts, key=len)
    picks = np.linspace(0, len(ordered) - 1, min(SENTENCES, len(ordered))).round().astype(int)
    return [ordered[index] for index in picks]


def expected_outputs(
    checkpoint: Checkpoint, encodings: Sequence[Encoding], lengths: Sequence[int], pad_id: int
) -> FloatArray:
    """onnxruntime's outputs, a row a sentence, or a row a token where the head gives tokens.

    Sentences are padded to the `lengths`, where there are any and the file takes a mask.
    """
    file, head = checkpoint.onnx, checkpoint.head
    if file is None:
        raise ValueError("the checkpoint was not read from an ONNX file")
    rows = [_row(file, encoding, lengths, pad_id) for encoding in encodings]
    columns = [onnxruntime.run_onnx_model(file.path, rows, name) for name in file.outputs]
    outputs, pool = [], _make_pooling(checkpoint)
    for index, encoding in enumerate(encodings):
        parts = [column[index] for column in columns]
        if head.gives_tokens or file.needs_pooling:
            tokens = [part.reshape(part.shape[0], -1)[: len(encoding)] for part in parts]
            joined = np.concatenate(tokens, axis=-1)
            outputs.append(pool(joined) if file.needs_pooling else joined)
        else:
            outputs.append(parts[0].reshape(1, -1))
    return _cut_rows(np.asarray(np.concatenate(outputs), np.float32), head)


def _cut_rows(rows: FloatArray, head: Head) -> FloatArray:
    """Rows [n, width] with the channels that the head keeps."""
    cut = rows[:, : head.dimensions]
    return normalize_rows(cut) if head.normalize and head.dimensions else cut


def apply_file_activation(file: OnnxFile, outputs: FloatArray) -> FloatArray:
    """Logits as the file gives them, which may have an activation at its end."""
    if file.activation == "softmax":
        return softmax(outputs)
    return outputs if file.activation == "identity" else apply_activation(outputs, file.activation)


def relative_difference(outputs: FloatArray, expected: FloatArray) -> float:
    """The largest difference, as a fraction of the largest output where that is above 1."""
    if outputs.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(outputs - expected).max() / max(1.0, float(np.abs(expected).max())))
    return largest if np.isfinite(largest) else float("inf")


def _row(file: OnnxFile, encoding: Encoding, lengths: Sequence[int], pad_id: int) -> Row:
    """The sentence as its bucket holds it; without padding where the file takes no mask."""
    padded = bool(lengths) and "attention_mask" in file.inputs.values()
    length = choose_bucket(len(encoding), lengths) if padded else len(encoding)
    values = {"position_ids": np.arange(length)}
    values |= {
        name: array[0] for name, array in pad_encoding(encoding, length, pad_id, INPUTS).items()
    }
    return {name: values[ours].astype(np.int64) for name, ours in file.inputs.items()}


def _make_pooling(checkpoint: Checkpoint) -> Callable[[FloatArray], FloatArray]:
    """What makes one vector [1, width] of the vectors [tokens, width] of a sentence: the head."""
    head = checkpoint.head
    if checkpoint.weights:
        weights = encoder_weights(checkpoint)
        return lambda tokens: apply_head(weights, tokens, len(tokens))

    def pool(tokens: FloatArray) -> FloatArray:
        pooled = np.concatenate([pool_tokens(tokens[None], way) for way in head.poolings], axis=-1)
        return np.asarray(normalize_rows(pooled) if head.normalize else pooled)

    return pool
