"""Reading and writing `.tflite` files through the object form."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from edge_bert.errors import ModelError
from edge_bert.formats.tflite import flatbuffer
from tests.quantize import small_models as small


def offsets(data: bytes) -> list[int]:
    """Where each constant starts in the file."""
    model = flatbuffer.load_schema().Model.GetRootAs(data)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    return [each._tab.Vector(each._tab.Offset(4)) for each in buffers if each.DataLength()]


def test_writing_what_was_read_changes_nothing() -> None:
    """A file that we wrote is written again with the same bytes."""
    data = small.float_model()
    assert flatbuffer.write_model(flatbuffer.read_model(data)) == data


def test_every_constant_starts_at_16_bytes() -> None:
    """Kernels read constants straight from a mapped file, some with aligned loads."""
    model = flatbuffer.read_model(small.float_model())
    for size in (1, 3, 17, 33):
        tensor = flatbuffer.add_tensor(
            model.subgraphs[0],
            f"odd{size}",
            (size,),
            flatbuffer.load_schema().TensorType.INT8,
            buffer=flatbuffer.add_constant(model, np.ones(size, np.int8)),
        )
        flatbuffer.set_scales(model.subgraphs[0].tensors[tensor], np.ones(size))
        model.subgraphs[0].outputs = [*model.subgraphs[0].outputs, tensor]
    found = offsets(flatbuffer.write_model(model))
    assert len(found) >= 8
    assert {offset % flatbuffer.ALIGNMENT for offset in found} == {0}


def test_a_large_model_is_read_and_written_in_no_time() -> None:
    """90 MB of constants take well under two seconds each way, without growing by doubling."""
    model = flatbuffer.read_model(small.float_model())
    table = model.subgraphs[0].tensors[1]
    model.buffers[table.buffer].data = np.zeros(90_000_000, np.uint8)
    start = time.perf_counter()
    data = flatbuffer.write_model(model)
    flatbuffer.read_model(data)
    assert len(data) < 90_000_000 + 300_000
    assert time.perf_counter() - start < 4


def test_buffers_behind_the_flatbuffer_come_inside() -> None:
    """Quantizers write large constants behind the flatbuffer; a cut-off one is an error."""
    model = flatbuffer.read_model(small.float_model())
    table = model.buffers[model.subgraphs[0].tensors[1].buffer]
    values = bytes(table.data)
    table.data = None
    table.offset, table.size = 1 << 20, len(values)
    data = flatbuffer.write_model(model)
    whole = data + bytes((1 << 20) - len(data)) + values
    read = flatbuffer.read_model(whole)
    found = flatbuffer.float_constant(read, read.subgraphs[0].tensors[1])
    np.testing.assert_array_equal(found, small.TABLE)
    with pytest.raises(ModelError, match="cut short"):
        flatbuffer.read_model(whole[:-1])


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 100, b"PK\3\4TFL2" + bytes(50)])
def test_other_files_are_refused(data: bytes) -> None:
    """What is no TFLite file is said to be none."""
    with pytest.raises(ModelError, match="not a TFLite file"):
        flatbuffer.read_model(data)


def test_a_damaged_file_is_refused() -> None:
    """A file cut in the middle of the graph gives one error of ours."""
    data = small.float_model()
    with pytest.raises(ModelError, match="damaged"):
        flatbuffer.read_model(data[:60])


def test_unused_parts_are_left_out(tmp_path: Path) -> None:
    """A tensor, constant or operator code that nothing uses is gone, and the model still runs."""
    data = small.float_model()
    model = flatbuffer.read_model(data)
    flatbuffer.add_opcode(model, flatbuffer.load_schema().BuiltinOperator.TANH)
    buffer = flatbuffer.add_constant(model, np.zeros(10_000, np.float32))
    graph, dtype = model.subgraphs[0], flatbuffer.load_schema().TensorType.FLOAT32
    flatbuffer.add_tensor(graph, "nobody's", (10_000,), dtype, buffer=buffer)
    graph.tensors.insert(0, graph.tensors.pop())  # so that every number changes
    for owner in [graph, *graph.operators]:
        owner.inputs = [index + 1 for index in owner.inputs]
        owner.outputs = [index + 1 for index in owner.outputs]
    for entry in [*model.signatureDefs[0].inputs, *model.signatureDefs[0].outputs]:
        entry.tensorIndex += 1
    written = flatbuffer.write_model(model)
    assert written == data
    for got in small.run(written, tmp_path).values():
        np.testing.assert_allclose(got, small.expected(), rtol=1e-4, atol=1e-4)


def test_scales_of_blocks_are_not_left_out() -> None:
    """Weights quantized in blocks name their tensor of scales in their quantization only."""
    model = flatbuffer.read_model(small.float_model())
    graph = model.subgraphs[0]
    scales = flatbuffer.add_tensor(
        graph,
        "scales",
        (small.OUT, 2),
        flatbuffer.load_schema().TensorType.FLOAT16,
        buffer=flatbuffer.add_constant(model, np.ones((small.OUT, 2), np.float16)),
    )
    schema = flatbuffer.load_schema()
    quantization = schema.QuantizationParametersT()
    quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    quantization.details = schema.BlockwiseQuantizationT(scales=scales, zeroPoints=-1, blockSize=32)
    graph.tensors[5].quantization = quantization
    read = flatbuffer.read_model(flatbuffer.write_model(model))
    details = read.subgraphs[0].tensors[5].quantization.details
    assert read.subgraphs[0].tensors[details.scales].name == b"scales"
    assert details.zeroPoints == -1


def test_equal_scales_are_written_once() -> None:
    """A second subgraph with the same scales adds few bytes; other scales stay apart."""
    model = flatbuffer.read_model(small.float_model())
    count = 10_000
    for graph in model.subgraphs:
        flatbuffer.set_scales(graph.tensors[1], np.linspace(1, 2, count))
    once = flatbuffer.write_model(model)
    assert len(once) < len(small.float_model()) + 1.2 * 12 * count
    model = flatbuffer.read_model(once)
    flatbuffer.set_scales(model.subgraphs[1].tensors[1], np.linspace(1, 3, count))
    read = flatbuffer.read_model(flatbuffer.write_model(model))
    last = [graph.tensors[1].quantization.scale[-1] for graph in read.subgraphs]
    assert last == [2, 3]
