"""Models that MediaPipe Tasks opens as they are: `TextEmbedder` and `TextClassifier`.

Such a file is a TFLite model with one signature, metadata that names tensors and tokenizer, and
the vocabulary (and labels) as an uncompressed zip behind the flatbuffer. MediaPipe itself is not
needed to write one.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.mediapipe.mediapipe_graph import TextGraph, adapt_graph
from edge_bert.formats.mediapipe.mediapipe_metadata import (
    LABELS_FILE,
    METADATA_NAME,
    VOCABULARY_FILE,
    text_metadata,
)
from edge_bert.formats.tflite import flatbuffer
from edge_bert.records.checkpoint import Head, Task

# MediaPipe puts these around every text and in place of words that it does not know.
SPECIAL_TOKENS = ("[CLS]", "[SEP]", "[UNK]")
# A fixed time, the oldest a zip can say, so that equal inputs give equal bytes.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_mediapipe_model(
    tflite: bytes,
    *,
    vocabulary: Path | None,
    head: Head,
    name: str,
    signature: str | None = None,
    description: str = "",
) -> bytes:
    """A copy of `tflite` that MediaPipe's text tasks open.

    The model's signature has int32 inputs [1, length] `input_ids`, `attention_mask` and, if it has
    token types, `token_type_ids`; and one float32 output, [1, hidden] for an embedding or
    [1, classes] for logits. `signature` is the one to take of several. `vocabulary` is the model's
    `vocab.txt`, one WordPiece token a line, in the order of ids.

    Logits get `head.activation`, so that the classifier shows probabilities. Equal inputs give
    equal bytes. Raises ModelError where the model, its vocabulary or its labels do not fit.
    """
    files = {VOCABULARY_FILE: read_vocabulary(vocabulary)}
    model = flatbuffer.read_model(tflite)
    graph = adapt_graph(model, head, signature)
    if head.task is Task.CLASSIFICATION:
        _check_labels(head, graph.width)
        files[LABELS_FILE] = head.labels
    _add_metadata(model, _metadata(graph, head, name, description))
    return _append_files(flatbuffer.pack_model(model), files)


def read_vocabulary(path: Path | None) -> tuple[str, ...]:
    """The tokens of a `vocab.txt` in the order of their ids.

    Raises ModelError where there is none (the model's tokenizer is not WordPiece), and where
    MediaPipe would read it otherwise than edge-bert.
    """
    if path is None:
        raise ModelError(
            "The model has no vocab.txt: its tokenizer is not WordPiece (perhaps BPE, as that of "
            "RoBERTa, or SentencePiece, as that of ALBERT), which MediaPipe needs; tokenize in "
            "the app with tokenizer.json and run another file of the bundle."
        )
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as a vocabulary in UTF-8: {error}") from error
    # Only "\n" ends a line: vocabularies hold other line separators as tokens.
    tokens = tuple(line.removesuffix("\r") for line in text.removesuffix("\n").split("\n"))
    if "" in tokens:
        raise ModelError(
            f"{path}: line {tokens.index('') + 1} is empty; MediaPipe skips empty lines, which "
            "would shift every id after it."
        )
    absent = [token for token in SPECIAL_TOKENS if token not in tokens]
    if absent:
        raise ModelError(f"{path}: MediaPipe needs {', '.join(absent)}, which is not in it.")
    return tokens


def _check_labels(head: Head, classes: int) -> None:
    if len(head.labels) != classes:
        raise ModelError(f"The model has {classes} classes but {len(head.labels)} labels.")
    for label in head.labels:
        if not label.strip() or "\n" in label or "\r" in label:
            raise ModelError(f"The label {label!r} cannot be written as one line of labels.txt.")


def _metadata(graph: TextGraph, head: Head, name: str, description: str) -> bytes:
    classifier = head.task is Task.CLASSIFICATION
    return text_metadata(
        name=name,
        description=description,
        inputs=graph.roles,
        output="probability" if classifier else "embedding",
        labelled=classifier,
    )


def _add_metadata(model: Any, metadata: bytes) -> None:
    if METADATA_NAME.encode() in [entry.name for entry in model.metadata or []]:
        raise ModelError("The TFLite file already has metadata; start from the one without.")
    entry = flatbuffer.load_schema().MetadataT()
    entry.name, entry.buffer = METADATA_NAME, flatbuffer.add_buffer(model, metadata)
    model.metadata = [*(model.metadata or []), entry]


def _append_files(model: bytes, files: Mapping[str, tuple[str, ...]]) -> bytes:
    """The model, and behind it a zip of text files with one entry a line."""
    stream = io.BytesIO()
    stream.write(model)
    with zipfile.ZipFile(stream, "w") as archive:
        for name, lines in files.items():
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.compress_type = zipfile.ZIP_STORED  # MediaPipe reads the files in place.
            info.create_system = 3  # Unix; the default follows the machine that writes.
            info.external_attr = 0o644 << 16
            archive.writestr(info, "".join(f"{line}\n" for line in lines).encode())
    return stream.getvalue()
