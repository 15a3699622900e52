"""The operations of an encoder as ONNX nodes: LayerNorm, dense layers, activations, rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.quantize.onnx import qdq
from edge_bert.quantize.onnx.parts import OnnxLayerNorm, Parts
from edge_bert.quantize.onnx.writer import Writer


@dataclass
class OnnxEncoderBuild:
    """A graph while it is written. With `ranges`, which `rounded_inputs` names, the word table and
    products with matrices are int8. Products of two activations stay float: int8 was no faster
    there on x86, and less accurate. With `signed` activations, which are for TensorRT, the word
    table stays float: TensorRT has integers between quantization nodes only."""

    writer: Writer
    weights: EncoderWeights
    parts: Parts
    ranges: qdq.Ranges
    signed: bool = False

    @property
    def half(self) -> bool:
        """Whether floats have 16 bits."""
        return self.writer.float_type == "float16"


def apply_layer_norm(
    build: OnnxEncoderBuild, name: str, rows: str, norm: OnnxLayerNorm
) -> tuple[str, str]:
    """The LayerNorm of `rows` as the matrices read it, and as the residual takes it."""
    writer = build.writer
    inputs = [
        rows,
        writer.floats(f"{name}.gamma", norm.scale),
        writer.floats(f"{name}.beta", norm.bias),
    ]
    epsilon = build.weights.config.epsilon
    normalized = writer.node("LayerNormalization", inputs, name, axis=-1, epsilon=epsilon)
    if norm.to_residual is None:
        return normalized, normalized
    factor = writer.floats(f"{name}.to_residual", norm.to_residual)
    return normalized, writer.node("Mul", [normalized, factor], f"{name}.residual")


def apply_dense(
    build: OnnxEncoderBuild, name: str, rows: str, dense: DenseWeights, *, plain: bool = False
) -> str:
    """The product with a matrix, and its bias; a `plain` one is float in every recipe."""
    writer = build.writer
    if build.ranges and not plain:
        kernel = qdq.quantize_kernel(writer, f"{name}.kernel", dense.kernel)
    else:
        kernel = writer.floats(f"{name}.kernel", dense.kernel)
    product = writer.node("MatMul", [rows, kernel], f"{name}.product")
    return writer.node("Add", [product, writer.floats(f"{name}.bias", dense.bias)], name)


def apply_activation(build: OnnxEncoderBuild, name: str, rows: str, activation: str) -> str:
    """An activation; GELU is written out, in the form that runtimes recognize and fuse."""
    writer = build.writer
    match activation:
        case "gelu":
            scaled = writer.node("Div", [rows, writer.floats("sqrt2", 2**0.5)], f"{name}.scaled")
            curve = writer.node("Erf", [scaled], f"{name}.erf")
        case "gelu_tanh":
            curve = _tanh_curve(writer, name, rows)
        case "relu" | "tanh" | "sigmoid":
            return writer.node(activation.capitalize(), [rows], name)
        case _:
            return rows
    raised = writer.node("Add", [curve, writer.floats("present", 1.0)], f"{name}.raised")
    double = writer.node("Mul", [rows, raised], f"{name}.double")
    return writer.node("Mul", [double, writer.floats("half", 0.5)], name)


def _tanh_curve(writer: Writer, name: str, rows: str) -> str:
    """tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)), as the tanh form of GELU has it."""
    cube = writer.node("Pow", [rows, writer.floats("three", 3.0)], f"{name}.cube")
    small = writer.node("Mul", [cube, writer.floats("cubic", 0.044715)], f"{name}.small")
    both = writer.node("Add", [rows, small], f"{name}.both")
    scale = writer.floats("sqrt_2_over_pi", (2 / np.pi) ** 0.5)
    return writer.node("Tanh", [writer.node("Mul", [both, scale], f"{name}.wide")], f"{name}.tanh")


def round_activation(build: OnnxEncoderBuild, rows: str, name: str) -> str:
    """`rows` in 8 bits where the tensor `name` has a range."""
    if name not in build.ranges:
        return rows
    low, high = build.ranges[name]
    return qdq.quantize_activation(build.writer, rows, low, high, signed=build.signed)
