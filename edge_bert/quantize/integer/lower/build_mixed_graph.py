"""The encoder with int8 matrix products and float32 between them: the fastest on CPUs.

Requires: the equalized encoder. Ensures: the same float result as `build_graph`, with LayerNorm,
the residual sums, softmax and pooling in float32. Matrix products, GELU and the embedding tables
stay 8 bits, and so do the per-channel factors around them: smoothing serves the outputs of the
matrices still.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder, EqualizedNorm
from edge_bert.quantize.integer.equalize.exits import EqualizedExit
from edge_bert.quantize.integer.ir.graph import (
    GraphTensor,
    OperatorGraph,
    OperatorNode,
    TensorKind,
)
from edge_bert.quantize.integer.ir.tensor_role import MASK_ROLES, NORM_ROLES, TensorRole
from edge_bert.quantize.integer.lower.build_graph import build_graph
from edge_bert.quantize.integer.lower.graph_scope import GraphScope
from edge_bert.quantize.integer.lower.insert_casts import FLOAT, insert_casts
from edge_bert.records.checkpoint import Head, Task

# exp of it is 0 in float32, so that the probability of padding is 0.
MASK = 10_000.0
FLOAT_ROLES = (
    *NORM_ROLES,
    *MASK_ROLES,
    TensorRole.PROJECTION_INPUT,
    TensorRole.RESIDUAL,
    TensorRole.INPUT,
    TensorRole.MASKED_SCORES,
    TensorRole.PROBS,
    TensorRole.POOLING_PROBS,
    TensorRole.OUTPUT,
)


def build_mixed_graph(
    weights: EncoderWeights,
    equalized: EqualizedEncoder,
    length: int,
    exits: Sequence[EqualizedExit] = (),
) -> OperatorGraph:
    """The graph of one signature; embeddings at the length that the head asks for.

    `exits` are the heads on the way that it has besides.
    """
    masks = (MASK,) * weights.config.layers
    exits = [
        dataclasses.replace(part, equalized=_absorb_channel_scales(part.equalized))
        for part in exits
    ]
    absorbed = _absorb_channel_scales(equalized)
    graph = build_graph(weights, absorbed, masks, length, _layer_norm, exits)
    _deepen_masks(graph)
    graph.exits = [
        dataclasses.replace(
            built,
            output=_give_unit_length(graph, part.weights.head, built.output, f"exit.{number}."),
        )
        for number, (built, part) in enumerate(zip(graph.exits, exits, strict=True))
    ]
    graph.output = _give_unit_length(graph, weights.head, graph.output)
    floats = {node.output for node in graph.nodes if _is_float(graph, node)}
    return insert_casts(graph, floats, FLOAT)


def _give_unit_length(graph: OperatorGraph, head: Head, output: str, prefix: str = "") -> str:
    """The output at the length that its head asks for."""
    if head.task is not Task.EMBEDDING or not head.normalize:
        return output
    unit = GraphTensor(f"{prefix}output.unit", graph.shape(output), role=TensorRole.OUTPUT)
    return graph.apply("L2_NORMALIZATION", [output], unit)


def _is_float(graph: OperatorGraph, node: OperatorNode) -> bool:
    """Scores are a product, or the sum of one and a relative bias, which stays float."""
    role = graph.tensors[node.output].role
    return role in FLOAT_ROLES or (role is TensorRole.SCORES and node.operator == "ADD")


def _absorb_channel_scales(equalized: EqualizedEncoder) -> EqualizedEncoder:
    """Multipliers for LayerNorms that undo the channel scales of their input themselves."""
    layers = tuple(
        dataclasses.replace(
            layer,
            attention_norm=_absorb(layer.attention_norm),
            ffn_norm=_absorb(layer.ffn_norm),
        )
        for layer in equalized.layers
    )
    embedding_norm = _absorb(equalized.embedding_norm)
    return dataclasses.replace(equalized, embedding_norm=embedding_norm, layers=layers)


def _absorb(norm: EqualizedNorm) -> EqualizedNorm:
    to_input, to_residual = (
        norm.to_input * norm.channel_scale,
        norm.to_residual * norm.channel_scale,
    )
    return dataclasses.replace(norm, to_input=to_input, to_residual=to_residual)


def _layer_norm(
    scope: GraphScope, terms: Sequence[str], norm: EqualizedNorm, epsilon: float
) -> str:
    """Append the operators; `terms` [n, hidden] add up to s; gives (s - mean) / sqrt(variance)."""
    graph, rows = scope.graph, terms[0]
    shape, column = scope.shape(rows), (scope.shape(rows)[0], 1)
    for index, term in enumerate(terms[1:]):
        rows = scope.add(f"sum.{index}", rows, term, TensorRole.NORM_SUM)
    axis = graph.constant("channels", np.array([1], np.int32), TensorKind.INDEX)
    least = graph.constant("epsilon", np.array([[epsilon]], np.float32))
    factor = graph.constant(scope.full_name("unmigrate"), (1.0 / norm.channel_scale)[None])
    role = TensorRole.NORM_SUM
    plain = scope.apply("MUL", [rows, factor], "plain", shape, role)
    mean = scope.apply("MEAN", [plain, axis], "mean", column, TensorRole.NORM_MEAN)
    role = TensorRole.NORM_CENTERED
    centered = scope.apply("SUB", [plain, mean], "centred", shape, role)
    role = TensorRole.NORM_SQUARED
    squared = scope.apply("MUL", [centered, centered], "squared", shape, role)
    role = TensorRole.NORM_VARIANCE
    variance = scope.apply("MEAN", [squared, axis], "variance", column, role)
    above = scope.add("above", variance, least, role)
    inverse = scope.apply("RSQRT", [above], "inverse", column, TensorRole.NORM_INVERSE)
    role = TensorRole.NORM_NORMALIZED
    return scope.apply("MUL", [centered, inverse], "unit", shape, role)


def _deepen_masks(graph: OperatorGraph) -> None:
    """Every mask, that of pooling too, becomes a float table of 0 and -MASK."""
    for name, tensor in graph.tensors.items():
        if tensor.role in MASK_ROLES and tensor.kind is TensorKind.VECTOR:
            value = np.array([-MASK, 0.0], np.float32)
            graph.tensors[name] = dataclasses.replace(tensor, value=value, limits=None, bits=FLOAT)
