"""The rewritten encoder as a graph of TFLite operators, for one length."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.equalize import (
    DenseWeights,
    EqualizedEncoder,
    EqualizedLayer,
    NormWeights,
    Projection,
)
from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind, matrix_operand
from edge_bert.quantize.integer.lower.layer_norm import LayerNorm, layer_norm
from edge_bert.records.checkpoint import Pooling, Task

GELU_INPUT = (-4.0, np.inf)  # below -4, GELU gives less than 0.0002
POOLING_MASK = 16.0  # exp(-16) is below half a step of an 8-bit probability


def build_graph(
    weights: EncoderWeights,
    parts: EqualizedEncoder,
    masks: tuple[float, ...],
    length: int,
    normed: LayerNorm = layer_norm,
) -> OperatorGraph:
    """The graph of one signature. `masks` holds, per layer, how much a padded score is lowered."""
    graph = OperatorGraph(length)
    for name in weights.input_names:
        graph.input(name)
    shape = weights.config
    norm, rows = parts.embedding_norm, _embed(graph, parts, shape.position_offset)
    unit = normed(graph, "embeddings.norm", [rows], norm, shape.epsilon)
    for index, block in enumerate(parts.blocks):
        name = f"layer.{index}"
        if index == 0 and parts.projection is not None:
            residual, rows = _project(graph, unit, norm, parts.projection)
        else:
            residual = _times(graph, f"{name}.attention_residual", unit, norm.to_residual)
            rows = _times(graph, f"{name}.input", unit, norm.to_input)
        output = _attention(graph, name, rows, block, shape.heads[index], masks[index])
        norm = block.attention_norm
        unit = normed(graph, f"{name}.attention_norm", [residual, output], norm, shape.epsilon)
        residual = _times(graph, f"{name}.ffn_residual", unit, norm.to_residual)
        rows = _times(graph, f"{name}.ffn_input", unit, norm.to_input)
        outputs = [
            _ffn(graph, f"{name}.ffn.{part}", rows, pair, shape.activation)
            for part, pair in reversed([*enumerate(block.ffn)])
        ]
        norm = block.ffn_norm
        unit = normed(graph, f"{name}.ffn_norm", [residual, *outputs], norm, shape.epsilon)
    graph.output = _head(graph, weights, parts, unit)
    return graph


def _embed(graph: OperatorGraph, parts: EqualizedEncoder, start: int) -> str:
    """Sum of the tables' rows, [length, hidden]."""
    length, hidden = graph.length, parts.word.shape[1]
    table = graph.constant("embeddings.word", parts.word)
    rows = graph.apply("GATHER", [table, "input_ids"], "embeddings.rows", (1, length, hidden))
    position = parts.position[start : start + length]
    # One scale for the slices of all lengths, so that a sentence is the same in every bucket.
    peak = float(np.abs(parts.position).max())
    table = graph.constant(f"position.{length}", position, limits=(-peak, peak))
    rows = _add(graph, "embeddings.placed", rows, table)
    if parts.token_type is not None and "token_type_ids" in graph.inputs:
        table = graph.constant("embeddings.token_type", parts.token_type)
        types = graph.apply(
            "GATHER", [table, "token_type_ids"], "embeddings.types", (1, length, hidden)
        )
        rows = _add(graph, "embeddings.typed", rows, types)
    return _reshape(graph, "embeddings.sum", rows, (length, hidden))


def _project(
    graph: OperatorGraph, unit: str, norm: NormWeights, projection: Projection
) -> tuple[str, str]:
    """What layer 0 adds to its attention, and what its attention reads, [length, hidden]."""
    name = "embeddings.projection"
    narrow = _times(graph, f"{name}.input", unit, norm.to_input)
    residual = _dense(graph, name, narrow, projection.dense)
    return residual, _times(graph, "layer.0.input", residual, projection.to_input)


def _attention(
    graph: OperatorGraph, name: str, rows: str, block: EqualizedLayer, heads: int, mask: float
) -> str:
    """Attention of all heads, [length, hidden]."""
    length, width = graph.length, block.query.kernel.shape[1]
    split, size = (length, heads, width // heads), width // heads

    def heads_of(part: str, dense: DenseWeights, order: tuple[int, ...]) -> str:
        # XNNPACK multiplies int8 batches only by a right side whose zero point is 0.
        flat = _dense(graph, f"{name}.{part}", rows, dense, symmetric=part != "query")
        apart = _reshape(graph, f"{name}.{part}.split", flat, split)
        return _transpose(graph, f"{name}.{part}.heads", apart, order)

    query = heads_of("query", block.query, (1, 0, 2))
    key = heads_of("key", block.key, (1, 0, 2))
    # Values stand transposed, so that both products read their right side by rows.
    value = heads_of("value", block.value, (1, 2, 0))
    square = (heads, length, length)
    scores = graph.apply("BATCH_MATMUL", [query, key], f"{name}.scores", square, adj_y=True)
    bias = _mask(graph, f"{name}.mask", mask)
    masked = graph.apply("ADD", [scores, bias], f"{name}.masked", square)
    shares = graph.apply("SOFTMAX", [masked], f"{name}.shares", square, limits=(0.0, 255 / 256))
    context = graph.apply(
        "BATCH_MATMUL", [shares, value], f"{name}.context", (heads, length, size), adj_y=True
    )
    together = _transpose(graph, f"{name}.context.split", context, (1, 0, 2))
    joined = _reshape(graph, f"{name}.context.joined", together, (length, width))
    return _dense(graph, f"{name}.attention_output", joined, block.output)


def _mask(graph: OperatorGraph, name: str, depth: float) -> str:
    """A row [1, length] that is 0 on tokens and -depth on padding."""
    values = np.array([-depth, 0.0], np.float32)
    table = graph.constant(f"{name}.table", values, limits=(-depth, 0.0))
    return graph.apply(
        "GATHER", [table, "attention_mask"], name, (1, graph.length), limits=(-depth, 0.0)
    )


def _ffn(
    graph: OperatorGraph,
    name: str,
    rows: str,
    pair: tuple[DenseWeights, DenseWeights],
    activation: str,
) -> str:
    rise, fall = pair
    clip = GELU_INPUT if "gelu" in activation else None
    # A neuron that is cut short can move a sentence's outlier to another token: nothing is cut.
    inner = _dense(graph, f"{name}.in", rows, rise, clip=clip, whole=True)
    active = _activate(graph, f"{name}.inner", inner, activation, whole=True)
    return _dense(graph, f"{name}.out", active, fall)


def _activate(
    graph: OperatorGraph, name: str, rows: str, activation: str, *, whole: bool = False
) -> str:
    operators = {"gelu": "GELU", "gelu_tanh": "GELU", "relu": "RELU", "tanh": "TANH"}
    if activation == "linear":
        return rows
    limits = (-1.0, 127 / 128) if activation == "tanh" else None
    options: dict[str, Any] = {}
    if "gelu" in activation:
        options["approximate"] = activation == "gelu_tanh"
    shape = graph.shape(rows)
    return graph.apply(
        operators[activation], [rows], name, shape, limits=limits, whole=whole, **options
    )


def _head(graph: OperatorGraph, weights: EncoderWeights, parts: EqualizedEncoder, unit: str) -> str:
    """Pooling and what the head adds; the name of the output."""
    norm, width = parts.blocks[-1].ffn_norm, graph.shape(unit)[1]
    if weights.head.task is Task.CLASSIFICATION:
        rows = _times(graph, "head.input", _first_row(graph, unit), norm.to_input)
        for index, dense in enumerate(parts.head):
            rows = _dense(graph, f"head.{index}", rows, dense)
            activation = weights.head_activations[index]
            rows = _activate(graph, f"head.{index}.active", rows, activation)
        return rows
    rows = _times(graph, "output.scaled", unit, norm.to_residual)
    beta = graph.constant("output.beta", parts.output_beta[None])
    rows = graph.apply("ADD", [rows, beta], "output.rows", graph.shape(rows), symmetric=True)
    if weights.head.pooling is Pooling.CLS:
        pooled = _first_row(graph, rows)
    else:
        masked = _mask(graph, "pooling.mask", POOLING_MASK)
        # The softmax of the mask is 1/n on the n tokens: a mean whose range no length changes.
        shares = graph.apply(
            "SOFTMAX", [masked], "pooling.shares", (1, graph.length), limits=(0.0, 255 / 256)
        )
        pooled = graph.apply("BATCH_MATMUL", [shares, rows], "pooled", (1, width), adj_y=False)
    if not norm.columns.split:
        return _times(graph, "output", pooled, parts.output_scale)
    together = norm.columns.read(np.eye(norm.columns.hidden, dtype=np.float32))
    kernel = together * parts.output_scale[:, None]
    return _dense(
        graph, "output", pooled, DenseWeights(kernel, np.zeros(len(kernel[0]), np.float32))
    )


def _first_row(graph: OperatorGraph, rows: str) -> str:
    hidden = graph.shape(rows)[1]
    begin = graph.constant("first.begin", np.array([0, 0], np.int32), TensorKind.INDEX)
    size = graph.constant("first.size", np.array([1, hidden], np.int32), TensorKind.INDEX)
    return graph.apply("SLICE", [rows, begin, size], "first", (1, hidden))


def _dense(
    graph: OperatorGraph, name: str, rows: str, dense: DenseWeights, **range_options: Any
) -> str:
    kernel = graph.constant(f"{name}.kernel", matrix_operand(dense.kernel), TensorKind.MATRIX)
    bias = graph.constant(f"{name}.bias", dense.bias, TensorKind.BIAS)
    shape = (graph.shape(rows)[0], dense.kernel.shape[1])
    return graph.apply("FULLY_CONNECTED", [rows, kernel, bias], name, shape, **range_options)


def _times(graph: OperatorGraph, name: str, rows: str, vector: np.ndarray) -> str:
    factor = graph.constant(f"{name}.factor", vector[None, :])
    return graph.apply("MUL", [rows, factor], name, graph.shape(rows))


def _add(graph: OperatorGraph, name: str, left: str, right: str) -> str:
    return graph.apply("ADD", [left, right], name, graph.shape(left))


def _reshape(graph: OperatorGraph, name: str, rows: str, shape: tuple[int, ...]) -> str:
    target = graph.constant("shape", np.array(shape, np.int32), TensorKind.INDEX)
    return graph.apply("RESHAPE", [rows, target], name, shape)


def _transpose(graph: OperatorGraph, name: str, rows: str, order: tuple[int, ...]) -> str:
    target = graph.constant("order", np.array(order, np.int32), TensorKind.INDEX)
    shape = tuple(graph.shape(rows)[axis] for axis in order)
    return graph.apply("TRANSPOSE", [rows, target], name, shape)
