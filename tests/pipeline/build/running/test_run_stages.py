"""A build runs every stage of a file with exits and holds the last to the whole path."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import VerificationError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.running.run_stages import check_stages
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder, convert_integer
from edge_bert.records.profile import Runtime
from tests.quantize.integer import encoders as tiny
from tests.tiny import exits

HOST = Runtime(name="ai-edge-litert", version="2.3.0")
ENCODINGS = [Encoding(tuple(range(5, 5 + count)), (0,) * count) for count in (3, 8, 16)]


@functools.cache
def converted() -> bytes:
    weights = exits.make_weights("classification")
    return convert_integer(
        calibrate_encoder(weights, tiny.sentences(weights, repeats=1)), exits.LENGTHS
    )


def check(folder: Path, data: bytes) -> None:
    path = folder / "staged.tflite"
    path.write_bytes(data)
    subject = ModelUnderTest.of(path, exits.make_weights("classification").head)
    check_stages(subject, ENCODINGS, 0, HOST, HOST)


def change(name: str) -> tuple[Any, Any]:
    """The model to change, and the subgraph of a signature."""
    model = flatbuffer.read_model(converted())
    (entry,) = (x for x in model.signatureDefs if x.signatureKey.decode() == name)
    return model, model.subgraphs[entry.subgraphIndex]


def test_right_stages_pass(tmp_path: Path) -> None:
    check(tmp_path, converted())


def test_a_stage_with_other_numbers_fails(tmp_path: Path) -> None:
    """The last product of the last stage has another bias than that of the whole path."""
    model, graph = change("continue_16_2_3")
    product = [
        x for x in graph.operators if flatbuffer.operator_name(model, x) == "FULLY_CONNECTED"
    ][-1]
    bias = graph.tensors[product.inputs[2]]
    values = model.buffers[bias.buffer].data.view(np.int32)
    bias.buffer = flatbuffer.add_constant(model, values[::-1].copy())
    complaint = "stages up to continue_16_2_3 give other numbers than length_16"
    with pytest.raises(VerificationError, match=complaint):
        check(tmp_path, flatbuffer.write_model(model))


def test_rows_of_another_scale_are_not_handed_over(tmp_path: Path) -> None:
    model, graph = change("continue_8_1_2")
    (rows,) = (tensor for tensor in graph.tensors if tensor.name == b"rows")
    flatbuffer.set_scales(rows, 0.5)
    complaint = "continue_8_1_2 takes other rows than start_8_1 gives"
    with pytest.raises(VerificationError, match=complaint):
        check(tmp_path, flatbuffer.write_model(model))
