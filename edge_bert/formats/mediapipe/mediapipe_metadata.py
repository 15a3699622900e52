"""TFLite Metadata for a text model: what its tensors mean and which tokenizer fills them.

The tables and their field numbers are those of TensorFlow's public `metadata_schema.fbs`, file
identifier M001. Only what MediaPipe's text tasks read is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

METADATA_NAME = "TFLITE_METADATA"
FILE_IDENTIFIER = b"M001"
# BertTokenizerOptions came with this version of the schema.
MIN_PARSER_VERSION = "1.1.0"
VOCABULARY_FILE = "vocab.txt"
LABELS_FILE = "labels.txt"

# Values of the schema's enums and unions.
_TENSOR_AXIS_LABELS = 2
_VOCABULARY = 5
_FEATURE_PROPERTIES = 1
_BERT_TOKENIZER_OPTIONS = 4


def text_metadata(
    *, name: str, description: str, inputs: Sequence[str], output: str, labelled: bool
) -> bytes:
    """The metadata flatbuffer of a model with a BERT tokenizer.

    `inputs` and `output` are metadata names, in the order of the model's tensors. `labelled` says
    that the output's classes are named in the associated file `labels.txt`.
    """
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    input_tensors = [_tensor(builder, input_name) for input_name in inputs]
    output_tensor = _tensor(builder, output, labels=LABELS_FILE if labelled else None)
    subgraph = _table(
        builder,
        {
            2: _tables(builder, input_tensors),
            3: _tables(builder, [output_tensor]),
            5: _tables(builder, [_bert_tokenizer(builder)]),
        },
    )
    model = _table(
        builder,
        {
            0: builder.CreateString(name),
            1: builder.CreateString(description),
            3: _tables(builder, [subgraph]),
            7: builder.CreateString(MIN_PARSER_VERSION),
        },
    )
    builder.Finish(model, file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def _bert_tokenizer(builder: Any) -> int:
    """ProcessUnit { options: BertTokenizerOptions { vocab_file } }."""
    vocabulary = _associated_file(builder, VOCABULARY_FILE, _VOCABULARY)
    options = _table(builder, {0: _tables(builder, [vocabulary])})
    return _table(builder, {1: options}, {0: _BERT_TOKENIZER_OPTIONS})


def _tensor(builder: Any, name: str, labels: str | None = None) -> int:
    """TensorMetadata { name, content: a feature, associated_files }."""
    features = _table(builder, {})
    fields = {
        0: builder.CreateString(name),
        3: _table(builder, {1: features}, {0: _FEATURE_PROPERTIES}),
    }
    if labels is not None:
        file = _associated_file(builder, labels, _TENSOR_AXIS_LABELS)
        fields[6] = _tables(builder, [file])
    return _table(builder, fields)


def _associated_file(builder: Any, name: str, kind: int) -> int:
    """AssociatedFile { name, type }."""
    return _table(builder, {0: builder.CreateString(name)}, {2: kind})


def _table(
    builder: Any, offsets: Mapping[int, int], bytes_: Mapping[int, int] | None = None
) -> int:
    """A table of fields by their numbers: offsets to other objects, and one-byte enum values."""
    enums = bytes_ or {}
    builder.StartObject(max((*offsets, *enums), default=-1) + 1)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, value in enums.items():
        builder.PrependUint8Slot(field, value, 0)
    return int(builder.EndObject())


def _tables(builder: Any, offsets: Sequence[int]) -> int:
    """A vector of tables."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
