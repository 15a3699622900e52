"""int8 matrix products in ONNX: DequantizeLinear before both operands, as runtimes fuse them.

Activations are uint8 with one scale, because x86 multiplies uint8 by int8, or signed: int8 around a
zero point of 0, the only form that TensorRT takes. Weights are int8 with a scale per output
channel. What is not a matrix product stays float.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_bert.quantize.onnx.writer import FLOAT, Writer
from edge_bert.quantize.uniform import asymmetric_params, quantize_int8, symmetric_scale
from edge_bert.records.checkpoint import FloatArray

Ranges = Mapping[str, tuple[float, float]]


def quantize_activation(
    writer: Writer, name: str, low: float, high: float, *, signed: bool = False
) -> str:
    """`name` through 8 bits and back; 0 is exact, because padding and GELU give it."""
    if signed:
        dtype, scale, zero_point = "int8", symmetric_scale(low, high), 0
    else:
        dtype, (scale, zero_point) = "uint8", asymmetric_params(low, high, 0, 255)
    parameters = [
        writer.constant(f"{name}.scale", np.array(scale, np.float32)),
        writer.constant(f"{name}.zero_point", np.array(zero_point, dtype)),
    ]
    steps = writer.node("QuantizeLinear", [name, *parameters], f"{name}.{dtype}")
    return writer.node("DequantizeLinear", [steps, *parameters], f"{name}.rounded")


def quantize_kernel(writer: Writer, name: str, kernel: FloatArray) -> str:
    """A kernel [in, out] as int8 with a scale per output channel; a column of zeros keeps 1."""
    steps, scale = quantize_int8(kernel, axis=1)
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
    values, scale = quantize_int8(rows, axis=1)
    stored = writer.constant(f"{name}.int8", values)
    steps = writer.node("Gather", [stored, ids], f"{output}.int8", axis=0)
    floats = writer.node("Cast", [steps], f"{output}.steps", to=FLOAT)
    return writer.node("Mul", [floats, writer.floats(f"{name}.scale", scale)], output)
