"""Symmetric int4: float16 scales for blocks of a row, zero point 0, from -8 to 7."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.uniform import round_to_step

LOW, HIGH = -8, 7
# Shares of a block's largest magnitude that its last step may stand for.
SHARES = np.linspace(0.5, 1.0, 21, dtype=np.float32)
ROWS_AT_ONCE = 2048
SMALLEST = np.float16(2**-14)  # the smallest normal float16: XNNPACK refuses a scale below it

FloatArray = npt.NDArray[np.float32]
Blocks = tuple[npt.NDArray[np.int8], npt.NDArray[np.float16]]


def quantize_blockwise(matrix: FloatArray, block: int) -> Blocks:
    """`matrix` [rows, columns] in blocks: int8 values from -8 to 7, scales [rows, blocks].

    `block` divides the columns. Each value goes to the nearest step.
    """
    rows, columns = matrix.shape
    values = np.empty(matrix.shape, np.int8)
    scales = np.empty((rows, columns // block), np.float16)
    for start in range(0, rows, ROWS_AT_ONCE):
        part = matrix[start : start + ROWS_AT_ONCE].reshape(-1, columns // block, block)
        found = least_error_scales(part)
        scales[start : start + len(part)] = found
        steps = round_int4(part, found[..., None].astype(np.float32))
        values[start : start + len(part)] = steps.reshape(len(part), columns)
    return values, scales


def least_error_scales(blocks: FloatArray) -> npt.NDArray[np.float16]:
    """The scale of each block [..., block] with the least squared error; the ends may be cut."""
    largest = np.abs(blocks).max(axis=-1)
    best = np.full(largest.shape, np.inf, np.float32)
    scales = np.full(largest.shape, SMALLEST, np.float16)
    for share in SHARES:
        tried = np.maximum((largest * (share / HIGH)).astype(np.float16), SMALLEST)
        scale = tried[..., None].astype(np.float32)
        error = np.square(round_int4(blocks, scale) * scale - blocks).sum(axis=-1)
        scales = np.where(error < best, tried, scales)
        best = np.minimum(error, best)
    return scales


def round_int4(values: FloatArray, scale: FloatArray) -> FloatArray:
    """The step from -8 to 7 that is nearest to each value."""
    return np.asarray(round_to_step(values, scale, LOW, HIGH), np.float32)


def dequantize_blockwise(
    values: npt.NDArray[np.int8], scales: npt.NDArray[np.float16]
) -> FloatArray:
    """What [rows, columns] of `quantize` stand for."""
    split = values.reshape((*scales.shape, -1)).astype(np.float32)
    blocks = split * scales[..., None].astype(np.float32)
    return np.asarray(blocks, np.float32).reshape(values.shape)


def pack_nibbles(values: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Two values in each byte, the first one in its low half."""
    pairs = values.reshape(-1, 2).view(np.uint8) & 0xF
    return np.asarray(pairs[:, 0] | (pairs[:, 1] << 4), np.uint8)


def store_blocks(model: Any, found: Blocks) -> tuple[int, int]:
    """New buffers with the values and the scales of `found`."""
    return flatbuffer.add_constant(model, pack_nibbles(found[0])), flatbuffer.add_constant(
        model, found[1]
    )


def add_tensor(
    graph: Any, name: str, shape: tuple[int, int], block: int, buffers: tuple[int, int]
) -> int:
    """A constant of a subgraph whose values and scales are in `buffers`; gives its index."""
    types = flatbuffer.load_schema().TensorType
    scales_shape = (shape[0], shape[1] // block)
    scales = flatbuffer.add_tensor(
        graph, f"{name}/scales", scales_shape, types.FLOAT16, buffer=buffers[1]
    )
    index = flatbuffer.add_tensor(graph, name, shape, types.INT4, buffer=buffers[0])
    graph.tensors[index].quantization = _blockwise(scales, block)
    return index


def _blockwise(scales: int, block: int) -> Any:
    quantization = flatbuffer.load_schema().QuantizationParametersT()
    details = flatbuffer.load_schema().BlockwiseQuantizationT()
    details.scales, details.zeroPoints, details.blockSize = scales, -1, block
    quantization.details = details
    quantization.detailsType = flatbuffer.load_schema().QuantizationDetails.BlockwiseQuantization
    return quantization
