"""The equalized encoder as a graph of TFLite operators, for one length."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.encoder.relative_bias import relative_bias
from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.quantize.integer.equalize.equalized_encoder import (
    EqualizedEncoder,
    EqualizedLayer,
    EqualizedNorm,
    EqualizedProjection,
    FfnGroup,
)
from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.graph_scope import GraphScope
from edge_bert.quantize.integer.lower.layer_norm import LayerNorm, layer_norm
from edge_bert.records.checkpoint import FloatArray, Head, Pooling

GELU_INPUT = (-4.0, np.inf)  # below -4, GELU gives less than 0.0002
POOLING_MASK = 16.0  # exp(-16) is below half a step of an 8-bit probability
PROBABILITY = (0.0, 255 / 256)  # the range that the int8 kernel of SOFTMAX asks for
OPERATORS = {"gelu": "GELU", "gelu_tanh": "GELU", "relu": "RELU", "tanh": "TANH"}


def build_graph(
    weights: EncoderWeights,
    equalized: EqualizedEncoder,
    mask_depths: tuple[float, ...],
    length: int,
    append_norm: LayerNorm = layer_norm,
) -> OperatorGraph:
    """The graph of one signature. `mask_depths` is, per layer, what lowers a padded score."""
    graph = OperatorGraph(length)
    for name in weights.input_names:
        graph.input(name)
    config, norm = weights.config, equalized.embedding_norm
    embeddings = GraphScope(graph, "embeddings")
    rows = _embed(embeddings, equalized, config.position_offset)
    normalized = append_norm(embeddings.nested("norm"), [rows], norm, config.epsilon)
    for index, layer in enumerate(equalized.layers):
        scope = GraphScope(graph, f"layer.{index}", index)
        if index == 0 and equalized.projection is not None:
            narrow = embeddings.multiply(
                "projection.input", normalized, norm.to_input, TensorRole.PROJECTION_INPUT
            )
            residual, rows = _project(embeddings, scope, narrow, equalized.projection)
        else:
            residual, rows = _scale_for_readers(
                scope, normalized, norm, "attention_residual", "input"
            )
        attended = _attention(scope, rows, layer, config.heads[index], mask_depths[index])
        norm, terms = layer.attention_norm, [residual, attended]
        normalized = append_norm(scope.nested("attention_norm"), terms, norm, config.epsilon)
        residual, rows = _scale_for_readers(scope, normalized, norm, "ffn_residual", "ffn_input")
        outputs = [
            _ffn(scope.nested(f"ffn.{index}"), rows, group, config.activation)
            for index, group in reversed([*enumerate(layer.ffn)])
        ]
        norm, terms = layer.ffn_norm, [residual, *outputs]
        normalized = append_norm(scope.nested("ffn_norm"), terms, norm, config.epsilon)
    graph.output = _head(GraphScope(graph), weights, equalized, normalized)
    return graph


def _embed(scope: GraphScope, equalized: EqualizedEncoder, first_position: int) -> str:
    """The sum of the tables' rows, [length, hidden]."""
    graph, role = scope.graph, TensorRole.EMBEDDINGS
    length, hidden = graph.length, equalized.word.shape[1]
    shape = (1, length, hidden)
    table = graph.constant("embeddings.word", equalized.word)
    rows = scope.apply("GATHER", [table, "input_ids"], "rows", shape, role)
    position = equalized.position[first_position : first_position + length]
    # One scale for the slices of all lengths, so that a sentence is the same in every bucket.
    peak = float(np.abs(equalized.position).max())
    table = graph.constant(f"position.{length}", position, limits=(-peak, peak))
    rows = scope.add("placed", rows, table, role)
    if equalized.token_type is not None and "token_type_ids" in graph.inputs:
        table = graph.constant("embeddings.token_type", equalized.token_type)
        inputs = [table, "token_type_ids"]
        types = scope.apply("GATHER", inputs, "types", shape, TensorRole.TYPE_EMBEDDINGS)
        rows = scope.add("typed", rows, types, role)
    return scope.reshape("sum", rows, (length, hidden))


def _project(
    embeddings: GraphScope, layer: GraphScope, narrow: str, projection: EqualizedProjection
) -> tuple[str, str]:
    """The residual and the input of layer 0's attention, [length, hidden]."""
    residual = embeddings.dense("projection", narrow, projection.dense, TensorRole.EMBEDDINGS)
    return residual, layer.multiply("input", residual, projection.to_input, TensorRole.INPUT)


def _scale_for_readers(
    scope: GraphScope, normalized: str, norm: EqualizedNorm, residual: str, rows: str
) -> tuple[str, str]:
    """A LayerNorm's output for the sum that follows and for the matrices that read it."""
    return (
        scope.multiply(residual, normalized, norm.to_residual, TensorRole.RESIDUAL),
        scope.multiply(rows, normalized, norm.to_input, TensorRole.INPUT),
    )


def _attention(
    scope: GraphScope, rows: str, layer: EqualizedLayer, heads: int, mask_depth: float
) -> str:
    """Attention of all heads, [length, hidden]."""
    length, width = scope.graph.length, layer.query.kernel.shape[1]
    size = width // heads

    def split_heads(
        name: str, dense: DenseWeights, role: TensorRole, order: tuple[int, ...]
    ) -> str:
        # XNNPACK multiplies int8 batches only by a right side whose zero point is 0.
        symmetric = role is not TensorRole.QUERY
        flat = scope.dense(name, rows, dense, role, symmetric=symmetric)
        split = scope.reshape(f"{name}.split", flat, (length, heads, size))
        return scope.transpose(f"{name}.heads", split, order)

    query = split_heads("query", layer.query, TensorRole.QUERY, (1, 0, 2))
    key = split_heads("key", layer.key, TensorRole.KEY, (1, 0, 2))
    # Values stand transposed, so that both products read their right side by rows.
    value = split_heads("value", layer.value, TensorRole.VALUE, (1, 2, 0))
    scores = _scores(scope, query, key, (heads, length, length), layer.relative_bias)
    probs = _attention_probs(scope, scores, mask_depth)
    shape, transposed = (heads, length, size), {"adj_y": True}
    context = scope.apply(
        "BATCH_MATMUL", [probs, value], "context", shape, TensorRole.CONTEXT, transposed
    )
    split = scope.transpose("context.split", context, (1, 0, 2))
    joined = scope.reshape("context.joined", split, (length, width))
    return scope.dense(
        "attention_output", joined, layer.attention_output, TensorRole.ATTENTION_OUTPUT
    )


def _scores(
    scope: GraphScope, query: str, key: str, shape: tuple[int, ...], table: FloatArray | None
) -> str:
    """The products of queries and keys [heads, length, length], and their relative bias."""
    operands, transposed = [query, key], {"adj_y": True}
    if table is None:
        return scope.apply("BATCH_MATMUL", operands, "scores", shape, TensorRole.SCORES, transposed)
    # What a bias may still lift is not cut off.
    keep = {"keep_full_range": True}
    products = scope.apply(
        "BATCH_MATMUL", operands, "products", shape, TensorRole.PRODUCTS, transposed, **keep
    )
    # One scale for the biases of all lengths, as for positions.
    peak, length = float(np.abs(table).max()), shape[-1]
    name = scope.full_name(f"relative_bias.{length}")
    bias = scope.graph.constant(name, relative_bias(table, length), limits=(-peak, peak))
    return scope.add("scores", products, bias, TensorRole.SCORES)


def _attention_probs(scope: GraphScope, scores: str, mask_depth: float) -> str:
    """The softmax of masked scores, [heads, length, length]."""
    shape = scope.shape(scores)
    mask = _mask(scope, "mask", mask_depth, TensorRole.ATTENTION_MASK, "attention_mask")
    masked = scope.apply("ADD", [scores, mask], "masked", shape, TensorRole.MASKED_SCORES)
    return scope.apply("SOFTMAX", [masked], "shares", shape, TensorRole.PROBS, limits=PROBABILITY)


def _mask(scope: GraphScope, name: str, depth: float, role: TensorRole, source: str) -> str:
    """A row [1, length] that is 0 where the input `source` is 1, and -depth where it is 0."""
    limits, values = (-depth, 0.0), np.array([-depth, 0.0], np.float32)
    table_name = scope.full_name(f"{name}.table")
    table = scope.graph.constant(table_name, values, limits=limits, role=role)
    shape = (1, scope.graph.length)
    return scope.apply("GATHER", [table, source], name, shape, role, limits=limits)


def _ffn(scope: GraphScope, rows: str, group: FfnGroup, activation: str) -> str:
    clip = GELU_INPUT if "gelu" in activation else None
    # A neuron that is cut short can move a sentence's outlier to another token: nothing is cut.
    keep = {"keep_full_range": True}
    raised = scope.dense("in", rows, group.up, TensorRole.FFN_IN, clip=clip, **keep)
    role = TensorRole.FFN_INTERMEDIATE
    intermediate = _activate(scope, "inner", raised, activation, role, **keep)
    return scope.dense("out", intermediate, group.down, TensorRole.FFN_OUT)


def _activate(
    scope: GraphScope, name: str, rows: str, activation: str, role: TensorRole, **range_rules: Any
) -> str:
    if activation == "linear":
        return rows
    limits = (-1.0, 127 / 128) if activation == "tanh" else None
    options = {"approximate": activation == "gelu_tanh"} if "gelu" in activation else {}
    operator, shape = OPERATORS[activation], scope.shape(rows)
    return scope.apply(operator, [rows], name, shape, role, options, limits=limits, **range_rules)


def _head(
    scope: GraphScope, weights: EncoderWeights, equalized: EqualizedEncoder, normalized: str
) -> str:
    """Pooling and what the head adds; gives the name of the output, [1, width].

    Where the head gives tokens it has a row for each, [1, length, width].
    """
    head = weights.head
    if equalized.head:
        rows = normalized if head.gives_tokens else _first_row(scope, normalized)
        output = _dense_head(scope.nested("head"), rows, equalized)
    else:
        rows = _output_rows(scope, equalized, normalized)
        if not head.gives_tokens:
            first = head.poolings == (Pooling.CLS,)
            rows = _first_row(scope, rows) if first else _mean_row(scope, rows, head)
        output = _unscaled_output(scope, equalized, rows)
    if not head.gives_tokens:
        return output
    return scope.reshape("output.tokens", output, (1, *scope.shape(output)))


def _dense_head(scope: GraphScope, rows: str, equalized: EqualizedEncoder) -> str:
    """The dense layers of a classifier on each of its rows."""
    to_input = equalized.layers[-1].ffn_norm.to_input
    rows = scope.multiply("input", rows, to_input, TensorRole.OUTPUT)
    for index, dense in enumerate(equalized.head):
        rows = scope.dense(f"{index}", rows, dense, TensorRole.HEAD)
        activation = dense.activation
        rows = _activate(scope, f"{index}.active", rows, activation, TensorRole.HEAD)
    return rows


def _output_rows(scope: GraphScope, equalized: EqualizedEncoder, normalized: str) -> str:
    """The last LayerNorm's output in the channel scale of an embedding, [length, columns]."""
    to_residual = equalized.layers[-1].ffn_norm.to_residual
    rows = scope.multiply("output.scaled", normalized, to_residual, TensorRole.OUTPUT)
    beta = scope.graph.constant("output.beta", equalized.output_beta[None])
    shape = scope.shape(rows)
    return scope.apply("ADD", [rows, beta], "output.rows", shape, TensorRole.OUTPUT, symmetric=True)


def _unscaled_output(scope: GraphScope, equalized: EqualizedEncoder, rows: str) -> str:
    """Rows [n, columns] without their channel scale, columns of outliers joined: [n, hidden]."""
    layout = equalized.layers[-1].ffn_norm.layout
    if not layout.outliers:
        return scope.multiply("output", rows, equalized.output_scale, TensorRole.OUTPUT)
    joined = layout.expand_kernel(np.eye(layout.hidden, dtype=np.float32))
    kernel = joined * equalized.output_scale[:, None]
    joiner = DenseWeights(kernel, np.zeros(len(kernel[0]), np.float32))
    return scope.dense("output", rows, joiner, TensorRole.OUTPUT)


def _mean_row(scope: GraphScope, rows: str, head: Head) -> str:
    """The mean over tokens, [1, columns].

    The softmax of the mask is 1/n on the n tokens: a mean whose range no length changes.
    """
    source = "attention_mask" if head.pools_prompt else "pooling_mask"
    mask = _mask(scope, "pooling.mask", POOLING_MASK, TensorRole.POOLING_MASK, source)
    shape, role = scope.shape(mask), TensorRole.POOLING_PROBS
    probs = scope.apply("SOFTMAX", [mask], "pooling.shares", shape, role, limits=PROBABILITY)
    shape, plain = (1, scope.shape(rows)[1]), {"adj_y": False}
    return scope.apply("BATCH_MATMUL", [probs, rows], "pooled", shape, TensorRole.OUTPUT, plain)


def _first_row(scope: GraphScope, rows: str) -> str:
    shape = (1, scope.shape(rows)[1])
    begin = scope.graph.constant("first.begin", np.array([0, 0], np.int32), TensorKind.INDEX)
    size = scope.graph.constant("first.size", np.array(shape, np.int32), TensorKind.INDEX)
    return scope.apply("SLICE", [rows, begin, size], "first", shape, TensorRole.OUTPUT)
