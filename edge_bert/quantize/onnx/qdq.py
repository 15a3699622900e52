"""int8 matrix products in ONNX: DequantizeLinear before both operands, as runtimes fuse them.

Activations are uint8 with one scale, because x86 multiplies uint8 by int8; weights are int8 with a
scale per output channel. What is not a matrix product stays float.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_bert.quantize.onnx.writer import FLOAT, Writer
from edge_bert.records.checkpoint import FloatArray

Ranges = Mapping[str, tuple[float, float]]
TINY = 1e-8


def activation(writer: Writer, name: str, low: float, high: float) -> str:
    """`name` through uint8 and back; 0 is exact, because padding and GELU give it."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max((high - low) / 255, TINY))
    zero_point = np.uint8(np.clip(np.round(-low / scale), 0, 255))
    parameters = [
        writer.constant(f"{name}.scale", np.array(scale)),
        writer.constant(f"{name}.zero_point", np.array(zero_point)),
    ]
    steps = writer.node("QuantizeLinear", [name, *parameters], f"{name}.uint8")
    return writer.node("DequantizeLinear", [steps, *parameters], f"{name}.rounded")


def matrix(writer: Writer, name: str, kernel: FloatArray) -> str:
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


def table(writer: Writer, name: str, rows: FloatArray, ids: str, output: str) -> str:
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
