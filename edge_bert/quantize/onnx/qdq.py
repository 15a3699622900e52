"""int8 matrix products in ONNX: DequantizeLinear before both operands, as runtimes fuse them.

Activations are uint8 with one scale, because x86 multiplies uint8 by int8, or signed: int8 around a
zero point of 0, the only form that TensorRT takes. Weights are int8 with a scale per output
channel. What is not a matrix product stays float.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_bert.quantize.onnx.writer import FLOAT, Writer
from edge_bert.records.checkpoint import FloatArray

Ranges = Mapping[str, tuple[float, float]]
TINY = 1e-8


def quantize_activation(
    writer: Writer, name: str, low: float, high: float, *, signed: bool = False
) -> str:
    """`name` through 8 bits and back; 0 is exact, because padding and GELU give it."""
    scale, zero_point = _around_zero(low, high) if signed else _from_low_to_high(low, high)
    parameters = [
        writer.constant(f"{name}.scale", np.array(scale)),
        writer.constant(f"{name}.zero_point", np.array(zero_point)),
    ]
    steps = writer.node("QuantizeLinear", [name, *parameters], f"{name}.{zero_point.dtype}")
    return writer.node("DequantizeLinear", [steps, *parameters], f"{name}.rounded")


def _from_low_to_high(low: float, high: float) -> tuple[np.float32, np.uint8]:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max((high - low) / 255, TINY))
    return scale, np.uint8(np.clip(np.round(-low / scale), 0, 255))


def _around_zero(low: float, high: float) -> tuple[np.float32, np.int8]:
    return np.float32(max(abs(low), abs(high), 127 * TINY) / 127), np.int8(0)


def quantize_kernel(writer: Writer, name: str, kernel: FloatArray) -> str:
    """A kernel [in, out] as int8 with a scale per output channel; a column of zeros keeps 1."""
    peaks = np.abs(kernel).max(axis=0)
    scale = np.where(peaks > 0, peaks / 127, 1.0).astype(np.float32)
    steps = np.clip(np.round(kernel / scale), -127, 127).astype(np.int8)
    inputs = [
        writer.constant(f"{name}.int8", steps),
        writer.constant(f"{name}.scale", scale),
        writer.constant(f"{name}.zero_point", np.zeros(scale.shape, np.int8)),
    ]
    return writer.node("DequantizeLinear", inputs, f"{name}.float", axis=1)


def quantize_table(writer: Writer, name: str, rows: FloatArray, ids: str, output: str) -> str:
    """An embedding table [rows, hidden] as int8 with a scale per column.

    Looks `ids` [batch, length] up and gives float rows [batch, length, hidden]. Cast and Mul
    instead of DequantizeLinear, which runtimes may fold into a float table.
    """
    peaks = np.abs(rows).max(axis=0)
    scale = np.where(peaks > 0, peaks / 127, 1.0).astype(np.float32)
    stored = writer.constant(f"{name}.int8", np.round(rows / scale).astype(np.int8))
    steps = writer.node("Gather", [stored, ids], f"{output}.int8", axis=0)
    floats = writer.node("Cast", [steps], f"{output}.steps", to=FLOAT)
    return writer.node("Mul", [floats, writer.floats(f"{name}.scale", scale)], output)
