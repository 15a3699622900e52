"""The encoder with int8 matrix products and float32 between them: the fastest form on CPUs.

Requires: the rewritten encoder. Ensures: the same float result as `form.build`, with LayerNorm,
the residual sums, softmax and pooling in float32. Matrix products, GELU and the embedding tables
stay 8 bits, and so do the per-channel factors around them: scale migration serves the outputs
of the matrices still.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.equalize import EqualizedEncoder, NormWeights
from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind
from edge_bert.quantize.integer.lower import build_graph
from edge_bert.quantize.integer.lower.insert_casts import FLOAT, insert_casts
from edge_bert.records.checkpoint import Task

# exp of it is 0 in float32, so that padding has no share at all.
MASK = 10_000.0
FLOAT_PLACES = (
    ".input",
    ".ffn_input",
    "_residual",
    ".mask",
    ".masked",
    ".shares",
    "pooled",
)


def build_mixed_graph(
    weights: EncoderWeights, parts: EqualizedEncoder, length: int
) -> OperatorGraph:
    """The graph of one signature; embeddings at the length that the head asks for."""
    masks = (MASK,) * weights.config.layers
    graph = build_graph.build_graph(weights, _unmigrated(parts), masks, length, _layer_norm)
    _deepen_masks(graph)
    head = weights.head
    if head.task is Task.EMBEDDING and head.normalize:
        shape = graph.shape(graph.output)
        graph.output = graph.apply("L2_NORMALIZATION", [graph.output], "output.unit", shape)
    return insert_casts(graph, is_float, FLOAT)


def is_float(name: str) -> bool:
    """Whether the output called `name` is float32."""
    return "norm." in name or name.startswith("output") or name.endswith(FLOAT_PLACES)


def _unmigrated(parts: EqualizedEncoder) -> EqualizedEncoder:
    """Multipliers for LayerNorms that undo the migration of their input themselves."""
    blocks = tuple(
        dataclasses.replace(
            block,
            attention_norm=_absorbed(block.attention_norm),
            ffn_norm=_absorbed(block.ffn_norm),
        )
        for block in parts.blocks
    )
    return dataclasses.replace(parts, embedding_norm=_absorbed(parts.embedding_norm), blocks=blocks)


def _absorbed(norm: NormWeights) -> NormWeights:
    to_input, to_residual = norm.to_input * norm.migration, norm.to_residual * norm.migration
    return dataclasses.replace(norm, to_input=to_input, to_residual=to_residual)


def _layer_norm(
    graph: OperatorGraph, name: str, terms: Sequence[str], norm: NormWeights, epsilon: float
) -> str:
    """Append the operators; `terms` [n, hidden] add up to s; gives (s - mean) / sqrt(variance)."""
    rows = terms[0]
    whole, column = graph.shape(rows), (graph.shape(rows)[0], 1)
    for place, term in enumerate(terms[1:]):
        rows = graph.apply("ADD", [rows, term], f"{name}.sum.{place}", whole)
    axis = graph.constant("channels", np.array([1], np.int32), TensorKind.INDEX)
    least = graph.constant("epsilon", np.array([[epsilon]], np.float32))
    factor = graph.constant(f"{name}.unmigrate", (1.0 / norm.migration)[None])
    plain = graph.apply("MUL", [rows, factor], f"{name}.plain", whole)
    mean = graph.apply("MEAN", [plain, axis], f"{name}.mean", column)
    centred = graph.apply("SUB", [plain, mean], f"{name}.centred", whole)
    squared = graph.apply("MUL", [centred, centred], f"{name}.squared", whole)
    variance = graph.apply("MEAN", [squared, axis], f"{name}.variance", column)
    above = graph.apply("ADD", [variance, least], f"{name}.above", column)
    inverse = graph.apply("RSQRT", [above], f"{name}.inverse", column)
    return graph.apply("MUL", [centred, inverse], f"{name}.unit", whole)


def _deepen_masks(graph: OperatorGraph) -> None:
    """Every mask, that of pooling too, is a float table of 0 and -MASK."""
    for name, tensor in graph.tensors.items():
        if name.endswith(".mask.table"):
            value = np.array([-MASK, 0.0], np.float32)
            graph.tensors[name] = dataclasses.replace(tensor, value=value, limits=None, bits=FLOAT)
