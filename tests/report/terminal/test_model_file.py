"""The contents of a `.tflite` file in lines."""

from __future__ import annotations

import io

from rich.console import Console

from edge_bert.formats.tflite.inspect import ModelFile
from edge_bert.records.bundle import Signature, TensorSpec
from edge_bert.report.terminal.model_file import print_model_file

SIGNATURE = Signature(
    length=0,
    inputs=(TensorSpec("input_ids", "int32", (1, -1)),),
    outputs=(TensorSpec("logits", "float32", (1, 3)),),
)
FILE = ModelFile(
    size_bytes=10,
    integer_only=False,
    rounds_activations=False,
    signatures={"main": SIGNATURE},
    op_counts={"FlexErf": 2},
    tensor_types={"FLOAT32": 1},
    bytes_by_kind={"graph": 10},
    largest=(),
    per_channel_tensors=0,
    needs=("FlexErf: needs the Flex delegate",),
)


def test_free_dimensions_and_needs_are_words() -> None:
    """A free dimension is `any`; what an operator needs is a line of its own."""
    stream = io.StringIO()
    print_model_file("other.tflite", FILE, Console(file=stream, width=40))
    lines = stream.getvalue().splitlines()
    assert "  main\tin\tinput_ids int32 [1, any]" in lines
    assert "  main\tout\tlogits float32 [1, 3]" in lines
    assert "  FlexErf\t2" in lines
    assert "needs: FlexErf: needs the Flex delegate" in lines
