"""What is in a `.tflite` file, and what happens when it is damaged."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bert.errors import ModelError
from edge_bert.formats.tflite import flatbuffer, reader
from edge_bert.formats.tflite.inspect import inspect_bytes, inspect_file
from edge_bert.quantize import apply_recipe
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.records.recipe import FLOAT16, WI4_AFP32, WI8_AFP32
from tests.quantize import small_models as small
from tests.runtimes import op_cases

FLOAT = small.float_model()


def graph_bytes(data: bytes) -> list[int]:
    """Where the file holds structure, not the values of constants."""
    model = flatbuffer.load_schema().Model.GetRootAs(data)
    inside = np.ones(len(data), bool)
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            start = buffer._tab.Vector(buffer._tab.Offset(4))
            inside[start : start + buffer.DataLength()] = False
    return [int(place) for place in np.flatnonzero(inside)]


GRAPH = graph_bytes(FLOAT)
TABLE, MATRIX, BIAS = small.TABLE.size, small.MATRIX.size, small.BIAS.size


def test_float32() -> None:
    """Signatures, operators, types and the bytes of each kind."""
    found = inspect_bytes(FLOAT)
    assert found.size_bytes == len(FLOAT) == sum(found.bytes_by_kind.values())
    assert found.op_counts == {"ADD": 1, "FULLY_CONNECTED": 1, "GATHER": 1}
    assert found.tensor_types == {"FLOAT32": 14, "INT32": 2}
    assert (found.integer_only, found.rounds_activations) == (False, False)
    assert list(found.signatures) == ["only", "second"]
    (given_ids,), (output,) = found.signatures["second"].inputs, found.signatures["second"].outputs
    assert (given_ids.name, given_ids.dtype, given_ids.shape) == ("x0", "int32", (1, small.LENGTH))
    assert (output.dtype, output.shape, output.scale) == ("float32", (1, 5, small.OUT), None)
    kinds = found.bytes_by_kind
    assert (kinds["embedding table"], kinds["matrices"]) == (4 * TABLE, 4 * MATRIX)
    assert (kinds["biases"], kinds["other constants"]) == (4 * BIAS, 4 * small.POSITIONS.size)
    assert found.largest[0][1:] == ("float32", small.MATRIX.shape, 4 * MATRIX) or (
        found.largest[0][1:] == ("float32", small.TABLE.shape, 4 * TABLE)
    )


@pytest.mark.parametrize(
    ("recipe", "runtime", "table", "matrix", "per_channel", "rounds"),
    [
        (FLOAT16, small.HOST, 2, 2, 0, False),
        (FLOAT16, TFLITE_RUNTIME_2_14, 2, 2, 0, False),
        (WI8_AFP32, small.HOST, 1, 1, 1, True),
        (WI8_AFP32, TFLITE_RUNTIME_2_14, 1, 1, 1, False),
        # The positions are looked up in a table of 8 bits here.
        (WI4_AFP32, small.HOST, 0.5 + small.POSITIONS.size / TABLE, 0.5, 1, True),
    ],
)
def test_recipes(
    recipe: Any, runtime: Any, table: float, matrix: float, per_channel: int, rounds: bool
) -> None:
    """Tables and matrices keep their kind in every form; shared constants count once."""
    found = inspect_bytes(apply_recipe.apply_weight_recipe(FLOAT, recipe, runtime))
    assert found.bytes_by_kind["embedding table"] == pytest.approx(table * TABLE)
    assert found.bytes_by_kind["matrices"] == matrix * MATRIX
    assert found.per_channel_tensors == per_channel
    assert (found.integer_only, found.rounds_activations) == (False, rounds)


def test_full_integer() -> None:
    """A file without a float tensor is integer only; outputs say their scale."""
    case = op_cases.fully_connected("int8 per channel", "int8", "int8", per_row=True)
    found = inspect_bytes(case.model(4))
    assert (found.integer_only, found.rounds_activations) == (True, True)
    assert found.per_channel_tensors == 1
    (output,) = found.signatures["only"].outputs
    assert output.zero_point == 0
    assert output.scale == pytest.approx(np.abs(case.expected()).max() / 127, rel=1e-6)


def with_custom(names: list[str | None]) -> bytes:
    """FLOAT with its operators turned into custom ones of these names."""
    model = flatbuffer.read_model(FLOAT)
    custom = flatbuffer.load_schema().BuiltinOperator.CUSTOM
    for code, name in zip(model.operatorCodes, names, strict=False):
        code.builtinCode, code.deprecatedBuiltinCode, code.customCode = custom, custom, name
    return flatbuffer.pack_model(model)


def test_custom_operators_have_their_own_names() -> None:
    """Two custom operators are counted apart, and what each needs on a device is said."""
    found = inspect_bytes(with_custom(["FlexErf", "MyKernel"]))
    assert found.op_counts["FlexErf"] == found.op_counts["MyKernel"] == 1
    flex, own = found.needs
    assert flex.startswith("FlexErf: ")
    assert "Flex delegate" in flex
    assert own.startswith("MyKernel: ")
    assert "operator resolver" in own
    assert inspect_bytes(FLOAT).needs == ()


@pytest.mark.parametrize(
    ("name", "need"),
    [
        ("DISPATCH_OP", "NPU"),
        ("edgetpu-custom-op", "Edge TPU delegate"),
        ("TFSentencepieceTokenizeOp", "TensorFlow Text"),
        (None, "without a name"),
    ],
)
def test_needs_of_known_custom_operators(name: str | None, need: str) -> None:
    """Each kind says what runs it."""
    (line,) = inspect_bytes(with_custom([name])).needs
    assert need in line


def test_what_every_runtime_resolves_needs_nothing() -> None:
    """TFLite's own resolver has a few custom operators."""
    assert inspect_bytes(with_custom(["Mfcc"])).needs == ()


def test_free_dimensions() -> None:
    """A dimension that is fixed when the file runs is -1, and not the 1 it is loaded with."""
    model = flatbuffer.read_model(FLOAT)
    entry = model.signatureDefs[1]
    tensor = model.subgraphs[entry.subgraphIndex].tensors[entry.inputs[0].tensorIndex]
    tensor.shapeSignature = [1, -1]
    signature = inspect_bytes(flatbuffer.pack_model(model)).signatures["second"]
    assert signature.inputs[0].shape == (1, -1)
    assert signature.length == 0
    tensor.shapeSignature = [1, -1, -1]
    with pytest.raises(ModelError, match="damaged"):
        inspect_bytes(flatbuffer.pack_model(model))


def test_a_file_without_signatures_shows_its_inputs() -> None:
    """Files that other converters write may have none."""
    model = flatbuffer.read_model(FLOAT)
    model.signatureDefs = None
    (signature,) = inspect_bytes(flatbuffer.pack_model(model)).signatures.values()
    assert [spec.dtype for spec in signature.inputs] == ["int32"]
    assert [spec.dtype for spec in signature.outputs] == ["float32"]


def test_missing_and_other_files(tmp_path: Path) -> None:
    """No file, a folder, an empty file and a text each give one line that names the file."""
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("import os; TFL3")
    for name in ("none", ".", "empty", "text"):
        with pytest.raises(ModelError, match=r"no file|is a folder|not a TFLite file"):
            inspect_file(tmp_path / name)


def test_names_cannot_drive_a_terminal() -> None:
    """Escape sequences in a name are replaced."""
    model = flatbuffer.read_model(FLOAT)
    model.subgraphs[0].tensors[1].name = b"\x1b[2Jtable\n"
    names = [entry[0] for entry in inspect_bytes(flatbuffer.write_model(model)).largest]
    assert "\ufffd[2Jtable\ufffd" in names


def inspected(data: bytes) -> None:
    """Either contents or a ModelError, within 2 s."""
    start, message = time.process_time(), ""
    try:
        inspect_bytes(data)
    except ModelError as error:
        message = str(error)
    assert "\n" not in message
    assert time.process_time() - start < 2


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(GRAPH), st.integers(0, 255)), max_size=12))
def test_flipped_bytes(changes: list[tuple[int, int]]) -> None:
    """Bytes that changed anywhere are an error of ours or go unseen, never a hang."""
    data = bytearray(FLOAT)
    for place, value in changes:
        data[place] = value
    inspected(bytes(data))


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(GRAPH[::4]), st.sampled_from([2**32 - 1, 2**31 - 1, 2**31, 50_000]))
def test_huge_lengths_and_offsets(place: int, value: int) -> None:
    """A length, offset or index of any size is an error of ours or goes unseen."""
    data = bytearray(FLOAT)
    struct.pack_into("<I", data, place & ~3, value)
    inspected(bytes(data))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(FLOAT) - 1))
def test_cut_short(length: int) -> None:
    """A file that ends early is refused: its root, or a constant, lies behind the end."""
    with pytest.raises(ModelError):
        inspect_bytes(FLOAT[:length])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000))
def test_noise_behind_the_identifier(noise: bytes) -> None:
    """Random bytes with the right identifier."""
    inspected(b"\x10\0\0\0TFL3" + noise)


def vector_of_one(length: int, size: int) -> bytes:
    """A model whose vector of subgraphs claims `length` entries, in a file of `size` bytes."""
    model = flatbuffer.read_model(FLOAT)
    model.subgraphs, model.signatureDefs = [], []
    data = bytearray(flatbuffer.write_model(model))
    root = flatbuffer.load_schema().Model.GetRootAs(bytes(data))
    field = root._tab.Offset(8)
    struct.pack_into("<I", data, root._tab.Vector(field) - 4, length)
    return bytes(data) + bytes(size - len(data))


def repeated_graph() -> bytes:
    """1000 subgraphs that are all the same one: 1000 times the work for 4 kB."""
    model = flatbuffer.read_model(FLOAT)
    graph = model.subgraphs[0]
    graph.tensors = graph.tensors * 100
    model.subgraphs, model.signatureDefs = [graph], []

    class Once:
        offset: int | None = None

        def Pack(self, builder: Any) -> int:  # noqa: N802 (the schema's name)
            if self.offset is None:
                self.offset = graph.Pack(builder)
            return self.offset

    model.subgraphs = [Once()] * 1000
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def long_names() -> bytes:
    """Each tensor has a name of 10 MB."""
    model = flatbuffer.read_model(FLOAT)
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b"n" * 10_000_000
    return flatbuffer.write_model(model)


def many_dimensions() -> bytes:
    """A tensor of ten million dimensions."""
    model = flatbuffer.read_model(FLOAT)
    model.subgraphs[0].tensors[0].shape = np.ones(10_000_000, np.int32)
    return flatbuffer.write_model(model)


def many_inputs() -> bytes:
    """An operator of ten million inputs."""
    model = flatbuffer.read_model(FLOAT)
    written = flatbuffer.write_model(model)
    model = flatbuffer.read_model(written)
    model.subgraphs[0].operators[0].inputs = np.zeros(10_000_000, np.int32)
    builder = flatbuffer._aligned_builder(1 << 26, writes_once=False)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


HOSTILE = [
    lambda: vector_of_one(2**32 - 1, 50_000_000),
    lambda: vector_of_one(10_000_000, 50_000_000),
    repeated_graph,
    long_names,
    many_dimensions,
    many_inputs,
]


@pytest.mark.parametrize("make", HOSTILE)
def test_hostile_files(make: Callable[[], bytes]) -> None:
    """Files made to take time or memory are refused in 2 s and 1 GB."""
    data = make()
    start = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="damaged"):
        inspect_bytes(data)
    assert time.process_time() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def test_the_limit_of_parts_is_generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 45 000 parts is read; the limit is what refuses more."""
    model = flatbuffer.read_model(FLOAT)
    graph = model.subgraphs[0]
    graph.operators = graph.operators * 15_000
    data = flatbuffer.write_model(model)
    assert inspect_bytes(data).op_counts["ADD"] == 15_000
    monkeypatch.setattr(reader, "MAX_TABLES", 40_000)
    with pytest.raises(ModelError, match="damaged"):
        inspect_bytes(data)


def indices_of(model: Any) -> list[Callable[[int], None]]:
    """Setters for one index of each kind."""
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    return [
        lambda value: setattr(graph.operators[1], "opcodeIndex", max(value, 0)),
        lambda value: setattr(graph.operators[1], "inputs", [value, 2]),
        lambda value: setattr(graph.operators[1], "outputs", [value]),
        lambda value: setattr(graph.tensors[1], "buffer", max(value, 0)),
        lambda value: setattr(signature, "subgraphIndex", max(value, 0)),
        lambda value: setattr(signature.inputs[0], "tensorIndex", max(value, 0)),
    ]


@pytest.mark.parametrize("which", range(6))
def test_an_index_out_of_range(which: int) -> None:
    """Each index is checked, also where Python would count a negative one from the end."""
    for value in (-2, 999_999):
        model = flatbuffer.read_model(FLOAT)
        indices_of(model)[which](value)
        if which in (0, 3, 4, 5) and value < 0:
            continue  # those have no sign in the file
        builder = flatbuffer._aligned_builder(1 << 20, writes_once=False)
        builder.Finish(model.Pack(builder), b"TFL3")
        with pytest.raises(ModelError, match="damaged"):
            inspect_bytes(bytes(builder.Output()))
