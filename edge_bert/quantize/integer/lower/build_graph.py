"""The equalized encoder as a graph of TFLite operators, for one length."""

from __future__ import annotations

from collections.abc import Sequence

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
from edge_bert.quantize.integer.equalize.exits import EqualizedExit
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.build_head import append_exit, append_head
from edge_bert.quantize.integer.lower.graph_scope import GraphScope
from edge_bert.quantize.integer.lower.layer_norm import LayerNorm, layer_norm
from edge_bert.quantize.integer.lower.shared_parts import (
    PROBABILITY,
    append_activation,
    append_mask,
)
from edge_bert.records.checkpoint import FloatArray

GELU_INPUT = (-4.0, np.inf)  # below -4, GELU gives less than 0.0002


def build_graph(
    weights: EncoderWeights,
    equalized: EqualizedEncoder,
    mask_depths: tuple[float, ...],
    length: int,
    append_norm: LayerNorm = layer_norm,
    exits: Sequence[EqualizedExit] = (),
) -> OperatorGraph:
    """The graph of one signature. `mask_depths` is, per layer, what lowers a padded score.

    `exits` are the heads on the way that it has besides.
    """
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
        for number, part in enumerate(exits):
            if part.after == index + 1:
                graph.exits.append(
                    append_exit(GraphScope(graph, f"exit.{number}"), part, normalized)
                )
    graph.output = append_head(GraphScope(graph), weights, equalized, normalized)
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
    mask = append_mask(scope, "mask", mask_depth, TensorRole.ATTENTION_MASK)
    masked = scope.apply("ADD", [scores, mask], "masked", shape, TensorRole.MASKED_SCORES)
    return scope.apply("SOFTMAX", [masked], "shares", shape, TensorRole.PROBS, limits=PROBABILITY)


def _ffn(scope: GraphScope, rows: str, group: FfnGroup, activation: str) -> str:
    clip = GELU_INPUT if "gelu" in activation else None
    # A neuron that is cut short can move a sentence's outlier to another token: nothing is cut.
    keep = {"keep_full_range": True}
    raised = scope.dense("in", rows, group.up, TensorRole.FFN_IN, clip=clip, **keep)
    role = TensorRole.FFN_INTERMEDIATE
    intermediate = append_activation(scope, "inner", raised, activation, role, **keep)
    return scope.dense("out", intermediate, group.down, TensorRole.FFN_OUT)
