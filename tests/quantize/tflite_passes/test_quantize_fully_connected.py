"""Matrices with a scale per output channel, multiplied by the real runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import channelwise
from edge_bert.quantize.tflite_passes.matrix_roles import find_matrices
from edge_bert.quantize.tflite_passes.quantize_fully_connected import quantize_fully_connected
from edge_bert.records.weight_bits import STEPS, WeightBits
from tests.quantize import small_models as small


def stored_matrix(data: bytes, bits: int) -> npt.NDArray[np.float32]:
    """The matrix that a file of the small model holds, as real numbers."""
    model = flatbuffer.read_model(data)
    graph = model.subgraphs[0]
    dtype = getattr(flatbuffer.load_schema().TensorType, f"INT{bits}")
    (tensor,) = [x for x in graph.tensors if x.type == dtype]
    packed = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    steps = channelwise.unpack_steps(packed, bits).reshape(flatbuffer.shape_of(tensor))
    assert set(np.unique(steps)) <= set(range(STEPS[bits][0], STEPS[bits][1] + 1))
    return np.asarray(steps * np.asarray(tensor.quantization.scale)[:, None], np.float32)


def rounded_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows in int8 with a scale and a zero point each, as the runtime makes them."""
    low = np.minimum(rows.min(axis=-1, keepdims=True), 0)
    high = np.maximum(rows.max(axis=-1, keepdims=True), 0)
    scale = (high - low) / np.float32(255)
    zero_point = np.rint(np.clip(-128 - low / scale, -128, 127))
    steps = np.clip(np.rint(rows / scale) + zero_point, -128, 127)
    return np.asarray((steps - zero_point) * scale, np.float32)


@pytest.mark.parametrize("bits", [2, 4])
def test_the_runtime_multiplies_by_what_is_stored(bits: int, tmp_path: Path) -> None:
    """Every channel equals numpy's product of the stored steps with rows rounded as it does."""
    model = flatbuffer.read_model(small.float_model())
    widths = WeightBits(matrix_bits=(bits,), embedding_bits=8, matrix_block=0)
    quantize_fully_connected(model, widths)
    data = flatbuffer.write_model(model)
    matrix = stored_matrix(data, bits)
    wanted = rounded_rows(small.TABLE[small.IDS] + small.POSITIONS) @ matrix.T + small.BIAS
    for got in small.run(data, tmp_path).values():
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_rows_that_do_not_fill_bytes_have_more_bits() -> None:
    """XNNPACK takes rows of whole bytes only; the runtime's own kernels are slow or wrong."""

    def width_of(columns: int) -> Any:
        model = flatbuffer.read_model(small.float_model())
        graph = model.subgraphs[0]
        (matrix,) = find_matrices(model, graph)
        tensor = graph.tensors[matrix.operator.inputs[1]]
        cut = np.ascontiguousarray(small.MATRIX[:, :columns])
        tensor.buffer, tensor.shape = flatbuffer.add_constant(model, cut), list(cut.shape)
        model.subgraphs = [graph]
        two = WeightBits(matrix_bits=(2,), embedding_bits=8, matrix_block=0)
        quantize_fully_connected(model, two)
        return graph.tensors[matrix.operator.inputs[1]].type

    types = flatbuffer.load_schema().TensorType
    assert [width_of(x) for x in (64, 62, 61)] == [types.INT2, types.INT4, types.INT8]
