"""The encoder as an ONNX graph: ids [batch, length] in, embeddings or logits out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.equalize import DenseWeights
from edge_bert.quantize.onnx import qdq
from edge_bert.quantize.onnx.parts import (
    PROJECTION,
    OnnxLayer,
    OnnxLayerNorm,
    OnnxProjection,
    Parts,
)
from edge_bert.quantize.onnx.writer import FLOAT, FLOAT16, Writer
from edge_bert.records.checkpoint import FloatArray, Pooling, Task

MASKED = -10_000.0  # exp() of it is 0, and float16 holds it


@dataclass
class OnnxEncoderBuild:
    """A graph in the making. With `ranges`, which `rounded_inputs` names, products with matrices
    are int8, and so is the word table. Products of two activations stay float: on x86 int8 was
    not faster there, and less exact. With `signed` activations, which are for TensorRT, the word
    table stays float: TensorRT's integers live between quantization nodes only."""

    writer: Writer
    weights: EncoderWeights
    parts: Parts
    ranges: qdq.Ranges
    signed: bool = False

    @property
    def half(self) -> bool:
        """Whether floats have 16 bits."""
        return self.writer.float_type == "float16"


def build_onnx_encoder(
    weights: EncoderWeights,
    parts: Parts,
    *,
    float_type: str = "float32",
    ranges: qdq.Ranges | None = None,
    signed: bool = False,
    description: dict[str, str] | None = None,
) -> Any:
    """The ModelProto of `parts`; `ranges` by tensors' names, `signed` as OnnxEncoderBuild says."""
    made = OnnxEncoderBuild(Writer(float_type), weights, parts, ranges or {}, signed)
    stream = _embed(made)
    bias = _mask(made)
    rows, residual = _norm(made, "embeddings.norm", stream, parts.embedding_norm)
    if parts.projection is not None:
        rows, residual = _project(made, rows, parts.projection)
    for index, layer in enumerate(parts.layers):
        name = f"layer.{index}"
        output = _attention(made, name, rows, bias, layer)
        stream = made.writer.node("Add", [residual, output], f"{name}.attention_sum")
        rows, residual = _norm(made, f"{name}.attention_norm", stream, layer.attention_norm)
        stream = _ffn(made, name, rows, residual, layer)
        rows, residual = _norm(made, f"{name}.ffn_norm", stream, layer.ffn_norm)
    _finish(made, rows)
    width = len(weights.head.labels) or weights.config.hidden
    return made.writer.model(
        dict.fromkeys(weights.input_names, ("batch", "length")),
        weights.output_name,
        ("batch", width),
        description or {},
    )


def rounded_inputs(layers: int) -> list[str]:
    """The tensors that int8 matrices read, by the names that they have in the integer graph."""
    places = ("input", "context", "ffn_input", "ffn.0.inner")
    return [f"layer.{index}.{place}" for index in range(layers) for place in places]


def _embed(made: OnnxEncoderBuild) -> str:
    """The sum of the tables' rows, [batch, length, hidden]."""
    writer, parts, shape = made.writer, made.parts, made.weights.config
    rows = _lookup(made, "embeddings.word", parts.word, "input_ids")
    sizes = writer.node("Shape", ["input_ids"], "sizes")
    length = writer.node("Gather", [sizes, writer.integers("one", 1)], "length")
    start = writer.integers("first_position", shape.position_offset)
    end = writer.node("Add", [length, start], "last_position")
    table = writer.floats("embeddings.position", parts.position)
    inputs = [table, start, end, writer.integers("zero", 0)]
    positions = writer.node("Slice", inputs, "embeddings.positions")
    rows = writer.node("Add", [rows, positions], "embeddings.placed")
    if parts.token_type is None:
        return rows
    if "token_type_ids" in made.weights.input_names:
        types = writer.floats("embeddings.token_type", parts.token_type)
        found = writer.node("Gather", [types, "token_type_ids"], "embeddings.types", axis=0)
    else:
        found = writer.floats("embeddings.first_type", parts.token_type[0])
    return writer.node("Add", [rows, found], "embeddings.typed")


def _lookup(made: OnnxEncoderBuild, name: str, table: FloatArray, ids: str) -> str:
    writer, output = made.writer, f"{name}.rows"
    if made.ranges and not made.signed:
        return qdq.quantize_table(writer, name, table, ids, output)
    return writer.node("Gather", [writer.floats(name, table), ids], output, axis=0)


def _mask(made: OnnxEncoderBuild) -> str:
    """0 on tokens and MASKED on padding, [batch, 1, 1, length]."""
    writer = made.writer
    kind = FLOAT16 if made.half else FLOAT
    mask = writer.node("Cast", ["attention_mask"], "mask", to=kind)
    absent = writer.node("Sub", [mask, writer.floats("present", 1.0)], "mask.absent")
    depth = writer.floats("mask.depth", -MASKED)
    flat = writer.node("Mul", [absent, depth], "mask.flat")
    return writer.node("Unsqueeze", [flat, writer.integers("heads_and_rows", 1, 2)], "mask.bias")


def _norm(made: OnnxEncoderBuild, name: str, rows: str, norm: OnnxLayerNorm) -> tuple[str, str]:
    """What the matrices read and what the residual takes."""
    writer = made.writer
    inputs = [
        rows,
        writer.floats(f"{name}.gamma", norm.scale),
        writer.floats(f"{name}.beta", norm.bias),
    ]
    epsilon = made.weights.config.epsilon
    normed = writer.node("LayerNormalization", inputs, name, axis=-1, epsilon=epsilon)
    if norm.to_residual is None:
        return normed, normed
    factor = writer.floats(f"{name}.to_residual", norm.to_residual)
    return normed, writer.node("Mul", [normed, factor], f"{name}.residual")


def _project(made: OnnxEncoderBuild, rows: str, projection: OnnxProjection) -> tuple[str, str]:
    """What the first matrices read and what the residual takes; the small matrix stays float."""
    residual = _dense(made, PROJECTION, rows, projection.dense, plain=True)
    if projection.to_input is None:
        return residual, residual
    factor = made.writer.floats(f"{PROJECTION}.to_input", projection.to_input)
    return made.writer.node("Mul", [residual, factor], f"{PROJECTION}.smoothed"), residual


def _attention(made: OnnxEncoderBuild, name: str, rows: str, bias: str, layer: OnnxLayer) -> str:
    writer = made.writer
    rows = _rounded(made, rows, f"{name}.input")

    def heads_of(part: str, dense: DenseWeights, order: tuple[int, ...]) -> str:
        flat = _dense(made, f"{name}.{part}", rows, dense)
        size = made.weights.config.head_size
        split = writer.integers(f"heads_of_{size}", 0, 0, -1, size)
        apart = writer.node("Reshape", [flat, split], f"{name}.{part}.split")
        return writer.node("Transpose", [apart], f"{name}.{part}.heads", perm=order)

    query = heads_of("query", layer.query, (0, 2, 1, 3))
    key = heads_of("key", layer.key, (0, 2, 3, 1))
    value = heads_of("value", layer.value, (0, 2, 1, 3))
    scores = writer.node("MatMul", [query, key], f"{name}.scores")
    masked = writer.node("Add", [scores, bias], f"{name}.masked")
    shares = writer.node("Softmax", [masked], f"{name}.shares", axis=-1)
    context = writer.node("MatMul", [shares, value], f"{name}.context.heads")
    turned = writer.node("Transpose", [context], f"{name}.context.split", perm=(0, 2, 1, 3))
    whole = writer.integers("joined", 0, 0, -1)
    joined = writer.node("Reshape", [turned, whole], f"{name}.context.joined")
    rounded = _rounded(made, joined, f"{name}.context")
    return _dense(made, f"{name}.attention_output", rounded, layer.output)


def _ffn(made: OnnxEncoderBuild, name: str, rows: str, residual: str, layer: OnnxLayer) -> str:
    """The sum of the residual and all groups of neurons; the few outliers' group stays float."""
    total = residual
    for place in reversed(range(len(layer.ffn))):
        rise, fall = layer.ffn[place]
        part = f"{name}.ffn.{place}"
        given = rows if place else _rounded(made, rows, f"{name}.ffn_input")
        inner = _dense(made, f"{part}.in", given, rise, plain=place > 0)
        active = _activate(made, f"{part}.inner", inner, made.weights.config.activation)
        active = active if place else _rounded(made, active, f"{part}.inner")
        output = _dense(made, f"{part}.out", active, fall, plain=place > 0)
        total = made.writer.node("Add", [total, output], f"{name}.ffn_sum.{place}")
    return total


def _finish(made: OnnxEncoderBuild, rows: str) -> None:
    """Pooling and the head; the last node has the output's name."""
    writer, head = made.writer, made.weights.head
    if head.task is Task.CLASSIFICATION or head.pooling is Pooling.CLS:
        inputs = [rows, writer.constant("first", np.array(0, np.int64))]
        pooled = writer.node("Gather", inputs, "pooled", axis=1)
    else:
        pooled = _mean(made, rows)
    for index, dense in enumerate(made.parts.head):
        pooled = _dense(made, f"head.{index}", pooled, dense, plain=True)
        pooled = _activate(
            made, f"head.{index}.active", pooled, made.weights.head_activations[index]
        )
    if made.half:
        pooled = writer.node("Cast", [pooled], "pooled.float32", to=FLOAT)
    if head.normalize:
        pooled = _unit_length(writer, pooled)
    writer.node("Identity", [pooled], made.weights.output_name)


def _mean(made: OnnxEncoderBuild, rows: str) -> str:
    """The mean over tokens, [batch, hidden]."""
    writer = made.writer
    weights = writer.node("Unsqueeze", ["mask", writer.integers("last", 2)], "pooling.mask")
    kept = writer.node("Mul", [rows, weights], "pooling.kept")
    axis = writer.integers("one", 1)
    total = writer.node("ReduceSum", [kept, axis], "pooling.sum", keepdims=0)
    count = writer.node("ReduceSum", ["mask", axis], "pooling.count", keepdims=1)
    some = writer.node("Max", [count, writer.floats("present", 1.0)], "pooling.some")
    return writer.node("Div", [total, some], "pooled")


def _unit_length(writer: Writer, rows: str) -> str:
    return writer.node("LpNormalization", [rows], "unit_length", axis=1, p=2)


def _dense(
    made: OnnxEncoderBuild, name: str, rows: str, dense: DenseWeights, *, plain: bool = False
) -> str:
    writer = made.writer
    if made.ranges and not plain:
        kernel = qdq.quantize_kernel(writer, f"{name}.kernel", dense.kernel)
    else:
        kernel = writer.floats(f"{name}.kernel", dense.kernel)
    product = writer.node("MatMul", [rows, kernel], f"{name}.product")
    return writer.node("Add", [product, writer.floats(f"{name}.bias", dense.bias)], name)


def _activate(made: OnnxEncoderBuild, name: str, rows: str, activation: str) -> str:
    """GELU is written out, in the form that runtimes recognise and fuse."""
    writer = made.writer
    match activation:
        case "gelu":
            scaled = writer.node("Div", [rows, writer.floats("sqrt2", 2**0.5)], f"{name}.scaled")
            curve = writer.node("Erf", [scaled], f"{name}.erf")
        case "gelu_tanh":
            curve = _tanh_curve(writer, name, rows)
        case "relu" | "tanh":
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


def _rounded(made: OnnxEncoderBuild, rows: str, name: str) -> str:
    """`rows` in 8 bits where `name` has a range."""
    found = made.ranges.get(name)
    if found is None:
        return rows
    return qdq.quantize_activation(made.writer, rows, *found, signed=made.signed)
