"""Symmetric int4: float16 scales for blocks of a row, zero point 0, from -8 to 7."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.channelwise import pack_steps
from edge_bert.quantize.recover_grid import keep_codes
from edge_bert.quantize.uniform import round_to_step

LOW, HIGH = -8, 7
# Shares of a block's largest magnitude that step 7 may stand for.
SHARES = np.linspace(0.5, 1.0, 21, dtype=np.float32)
ROWS_AT_ONCE = 2048
MIN_SCALE = np.float16(2**-14)  # the smallest normal float16: XNNPACK refuses a scale below it

FloatArray = npt.NDArray[np.float32]
Blocks = tuple[npt.NDArray[np.int8], npt.NDArray[np.float16]]


def quantize_blockwise(matrix: FloatArray, block: int) -> Blocks:
    """`matrix` [rows, columns] in blocks: int8 values from -8 to 7, scales [rows, blocks].

    `block` divides the columns. Each value goes to the nearest step; a matrix that lies on such a
    grid keeps its integers.
    """
    trained = keep_blocks(matrix, block)
    if trained is not None:
        return trained
    rows, columns = matrix.shape
    values = np.empty(matrix.shape, np.int8)
    scales = np.empty((rows, columns // block), np.float16)
    for first in range(0, rows, ROWS_AT_ONCE):
        batch = slice(first, first + ROWS_AT_ONCE)
        blocks = matrix[batch].reshape(-1, columns // block, block)
        scales[batch] = least_error_scales(blocks)
        steps = round_int4(blocks, scales[batch, :, None].astype(np.float32))
        values[batch] = steps.reshape(-1, columns)
    return values, scales


def keep_blocks(matrix: FloatArray, block: int) -> Blocks | None:
    """The integers of a matrix on a grid of four bits, its scales to the nearest float16.

    None for a matrix on no such grid, or with a scale that the runtime refuses.
    """
    kept = keep_codes(matrix, block, LOW, HIGH)
    if kept is None:
        return None
    codes, scales = kept
    if ((scales > 0) & (scales < MIN_SCALE)).any() or scales.max() > np.finfo(np.float16).max:
        return None
    return codes, np.maximum(scales.astype(np.float16), MIN_SCALE)


def least_error_scales(blocks: FloatArray) -> npt.NDArray[np.float16]:
    """The scale of each block [..., block] with the least squared error, values clipped to it."""
    peaks = np.abs(blocks).max(axis=-1)
    least_error = np.full(peaks.shape, np.inf, np.float32)
    scales = np.full(peaks.shape, MIN_SCALE, np.float16)
    for share in SHARES:
        candidate = np.maximum((peaks * (share / HIGH)).astype(np.float16), MIN_SCALE)
        scale = candidate[..., None].astype(np.float32)
        error = np.square(round_int4(blocks, scale) * scale - blocks).sum(axis=-1)
        scales = np.where(error < least_error, candidate, scales)
        least_error = np.minimum(error, least_error)
    return scales


def round_int4(values: FloatArray, scale: FloatArray) -> FloatArray:
    """The step from -8 to 7 that is nearest to each value."""
    return np.asarray(round_to_step(values, scale, LOW, HIGH), np.float32)


def dequantize_blockwise(
    values: npt.NDArray[np.int8], scales: npt.NDArray[np.float16]
) -> FloatArray:
    """The matrix [rows, columns] that values and scales of `quantize_blockwise` stand for."""
    split = values.reshape((*scales.shape, -1)).astype(np.float32)
    blocks = split * scales[..., None].astype(np.float32)
    return np.asarray(blocks, np.float32).reshape(values.shape)


def store_blocks(model: Any, blocks: Blocks) -> tuple[int, int]:
    """New buffers with the values and the scales of `blocks`."""
    values, scales = blocks
    packed = flatbuffer.add_constant(model, pack_steps(values, 4))
    return packed, flatbuffer.add_constant(model, scales)


def add_int4_tensor(
    graph: Any, name: str, shape: tuple[int, int], block: int, buffers: tuple[int, int]
) -> int:
    """An int4 constant of a subgraph with values and scales in `buffers`; gives its index."""
    types = flatbuffer.load_schema().TensorType
    scales_shape = (shape[0], shape[1] // block)
    scales = flatbuffer.add_tensor(
        graph, f"{name}/scales", scales_shape, types.FLOAT16, buffer=buffers[1]
    )
    index = flatbuffer.add_tensor(graph, name, shape, types.INT4, buffer=buffers[0])
    graph.tensors[index].quantization = _blockwise_quantization(scales, block)
    return index


def _blockwise_quantization(scales: int, block: int) -> Any:
    schema = flatbuffer.load_schema()
    quantization = schema.QuantizationParametersT()
    details = schema.BlockwiseQuantizationT()
    details.scales, details.zeroPoints, details.blockSize = scales, -1, block
    quantization.details = details
    quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    return quantization
