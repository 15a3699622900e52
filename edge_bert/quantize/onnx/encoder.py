"""The encoder as an ONNX graph: ids [batch, length] in, embeddings or logits out."""

from __future__ import annotations

from typing import Any

from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.quantize.onnx import qdq
from edge_bert.quantize.onnx.head import apply_head
from edge_bert.quantize.onnx.operations import (
    OnnxEncoderBuild,
    apply_activation,
    apply_dense,
    apply_layer_norm,
    round_activation,
)
from edge_bert.quantize.onnx.parts import (
    PROJECTION,
    OnnxLayer,
    OnnxProjection,
    Parts,
)
from edge_bert.quantize.onnx.relative_bias import add_relative_biases
from edge_bert.quantize.onnx.writer import FLOAT, FLOAT16, Writer
from edge_bert.records.checkpoint import FloatArray

MASKED = -10_000.0  # exp() of it is 0, and float16 holds it


def build_onnx_encoder(
    weights: EncoderWeights,
    parts: Parts,
    *,
    float_type: str = "float32",
    ranges: qdq.Ranges | None = None,
    signed: bool = False,
    description: dict[str, str] | None = None,
) -> Any:
    """The ModelProto of `parts`; for `ranges`, by tensor, and `signed` see OnnxEncoderBuild."""
    build = OnnxEncoderBuild(Writer(float_type), weights, parts, ranges or {}, signed)
    stream = _embed_tokens(build)
    biases = add_relative_biases(
        build, _mask_bias(build), [layer.relative_bias for layer in parts.layers]
    )
    rows, residual = apply_layer_norm(build, "embeddings.norm", stream, parts.embedding_norm)
    if parts.projection is not None:
        rows, residual = _project(build, rows, parts.projection)
    for index, layer in enumerate(parts.layers):
        name = f"layer.{index}"
        output = _attention(build, name, rows, biases[index], layer)
        stream = build.writer.node("Add", [residual, output], f"{name}.attention_sum")
        rows, residual = apply_layer_norm(
            build, f"{name}.attention_norm", stream, layer.attention_norm
        )
        stream = _ffn(build, name, rows, residual, layer)
        rows, residual = apply_layer_norm(build, f"{name}.ffn_norm", stream, layer.ffn_norm)
    apply_head(build, rows)
    return build.writer.model(
        dict.fromkeys(weights.input_names, ("batch", "length")),
        weights.output_name,
        ("batch", *["length"] * weights.head.gives_tokens, weights.output_width),
        description or {},
    )


def rounded_inputs(layers: int) -> list[str]:
    """The names, in the integer graph, of the tensors that int8 matrices read."""
    inputs = ("input", "context", "ffn_input", "ffn.0.inner")
    return [f"layer.{index}.{name}" for index in range(layers) for name in inputs]


def _embed_tokens(build: OnnxEncoderBuild) -> str:
    """The sum of the tables' rows, [batch, length, hidden]."""
    writer, parts = build.writer, build.parts
    rows = _look_up_rows(build, "embeddings.word", parts.word, "input_ids")
    sizes = writer.node("Shape", ["input_ids"], "sizes")
    length = writer.node("Gather", [sizes, writer.integers("one", 1)], "length")
    first = writer.integers("first_position", build.weights.config.position_offset)
    last = writer.node("Add", [length, first], "last_position")
    table = writer.floats("embeddings.position", parts.position)
    inputs = [table, first, last, writer.integers("zero", 0)]
    positions = writer.node("Slice", inputs, "embeddings.positions")
    rows = writer.node("Add", [rows, positions], "embeddings.placed")
    if parts.token_type is None:
        return rows
    if "token_type_ids" in build.weights.input_names:
        types = writer.floats("embeddings.token_type", parts.token_type)
        type_rows = writer.node("Gather", [types, "token_type_ids"], "embeddings.types", axis=0)
    else:
        type_rows = writer.floats("embeddings.first_type", parts.token_type[0])
    return writer.node("Add", [rows, type_rows], "embeddings.typed")


def _look_up_rows(build: OnnxEncoderBuild, name: str, table: FloatArray, ids: str) -> str:
    writer, output = build.writer, f"{name}.rows"
    if build.ranges and not build.signed:
        return qdq.quantize_table(writer, name, table, ids, output)
    return writer.node("Gather", [writer.floats(name, table), ids], output, axis=0)


def _mask_bias(build: OnnxEncoderBuild) -> str:
    """0 on tokens and MASKED on padding, [batch, 1, 1, length]."""
    writer = build.writer
    kind = FLOAT16 if build.half else FLOAT
    mask = writer.node("Cast", ["attention_mask"], "mask", to=kind)
    absent = writer.node("Sub", [mask, writer.floats("present", 1.0)], "mask.absent")
    depth = writer.floats("mask.depth", -MASKED)
    flat = writer.node("Mul", [absent, depth], "mask.flat")
    return writer.node("Unsqueeze", [flat, writer.integers("heads_and_rows", 1, 2)], "mask.bias")


def _project(build: OnnxEncoderBuild, rows: str, projection: OnnxProjection) -> tuple[str, str]:
    """The projection as the matrices read it, and as the residual takes it; it stays float."""
    residual = apply_dense(build, PROJECTION, rows, projection.dense, plain=True)
    if projection.to_input is None:
        return residual, residual
    factor = build.writer.floats(f"{PROJECTION}.to_input", projection.to_input)
    return build.writer.node("Mul", [residual, factor], f"{PROJECTION}.smoothed"), residual


def _attention(build: OnnxEncoderBuild, name: str, rows: str, bias: str, layer: OnnxLayer) -> str:
    writer = build.writer
    rows = round_activation(build, rows, f"{name}.input")

    def split_heads(role: str, dense: DenseWeights, order: tuple[int, ...]) -> str:
        flat = apply_dense(build, f"{name}.{role}", rows, dense)
        size = build.weights.config.head_size
        split = writer.integers(f"heads_of_{size}", 0, 0, -1, size)
        heads = writer.node("Reshape", [flat, split], f"{name}.{role}.split")
        return writer.node("Transpose", [heads], f"{name}.{role}.heads", perm=order)

    query = split_heads("query", layer.query, (0, 2, 1, 3))
    key = split_heads("key", layer.key, (0, 2, 3, 1))
    value = split_heads("value", layer.value, (0, 2, 1, 3))
    scores = writer.node("MatMul", [query, key], f"{name}.scores")
    masked = writer.node("Add", [scores, bias], f"{name}.masked")
    probs = writer.node("Softmax", [masked], f"{name}.shares", axis=-1)
    context = writer.node("MatMul", [probs, value], f"{name}.context.heads")
    by_token = writer.node("Transpose", [context], f"{name}.context.split", perm=(0, 2, 1, 3))
    shape = writer.integers("joined", 0, 0, -1)
    joined = writer.node("Reshape", [by_token, shape], f"{name}.context.joined")
    rounded = round_activation(build, joined, f"{name}.context")
    return apply_dense(build, f"{name}.attention_output", rounded, layer.output)


def _ffn(build: OnnxEncoderBuild, name: str, rows: str, residual: str, layer: OnnxLayer) -> str:
    """The sum of the residual and all groups of neurons; the groups of outliers stay float."""
    total = residual
    for number in reversed(range(len(layer.ffn))):
        up, down = layer.ffn[number]
        group, plain = f"{name}.ffn.{number}", number > 0
        group_input = rows if plain else round_activation(build, rows, f"{name}.ffn_input")
        neurons = apply_dense(build, f"{group}.in", group_input, up, plain=plain)
        activation = build.weights.config.activation
        active = apply_activation(build, f"{group}.inner", neurons, activation)
        active = active if plain else round_activation(build, active, f"{group}.inner")
        output = apply_dense(build, f"{group}.out", active, down, plain=plain)
        total = build.writer.node("Add", [total, output], f"{name}.ffn_sum.{number}")
    return total
