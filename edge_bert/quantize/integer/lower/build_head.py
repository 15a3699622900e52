"""Heads as operators: from the last LayerNorm to the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import (
    DenseWeights,
    EncoderWeights,
    HeadDense,
    HeadLayer,
    HeadNorm,
)
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder
from edge_bert.quantize.integer.equalize.exits import EqualizedExit
from edge_bert.quantize.integer.equalize.smoothing import round_factors, smooth_channels
from edge_bert.quantize.integer.ir.graph import GraphExit, TensorKind
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.graph_scope import GraphScope
from edge_bert.quantize.integer.lower.pooling import append_pooling, cut_columns, first_row
from edge_bert.quantize.integer.lower.shared_parts import append_activation
from edge_bert.records.checkpoint import FloatArray, Head, Pooling

ROLE = TensorRole.OUTPUT


def append_head(
    scope: GraphScope, weights: EncoderWeights, equalized: EqualizedEncoder, normalized: str
) -> str:
    """Pooling and what the head adds; gives the name of the output, [1, width].

    Where the head gives tokens it has a row for each, [1, length, width].
    """
    head = weights.head
    if equalized.head:
        rows = normalized if head.gives_tokens else first_row(scope, normalized)
        output = _append_classifier(scope.nested("head"), rows, equalized)
    elif head.gives_tokens:
        rows = _output_rows(scope, equalized, normalized)
        output = _unscale_rows(scope, equalized, rows)
    else:
        output = _append_embedding(scope, weights, equalized, normalized)
    if not head.gives_tokens:
        return output
    return scope.reshape("output.tokens", output, (1, *scope.shape(output)))


def append_exit(scope: GraphScope, part: EqualizedExit, normalized: str) -> GraphExit:
    """The head of an exit on the last LayerNorm before it."""
    weights, equalized = part.weights, part.equalized
    if part.agreement is None:
        output = append_head(scope, weights, equalized, normalized)
        return GraphExit(part.after, normalized, output)
    rows = _output_rows(scope, equalized, normalized)
    pooled = _pool_rows(scope, equalized, rows, weights.head)
    output = _finish_embedding(scope, weights, equalized, pooled)
    agreement = _append_first_dense(scope.nested("agreement"), equalized, pooled, part.agreement)
    return GraphExit(part.after, normalized, output, agreement)


def _append_classifier(scope: GraphScope, rows: str, equalized: EqualizedEncoder) -> str:
    """The dense layers of a classifier on each of its rows."""
    to_input = equalized.layers[-1].ffn_norm.to_input
    rows = scope.multiply("input", rows, to_input, ROLE)
    for index, dense in enumerate(equalized.head):
        rows = _append_dense(scope, index, rows, dense)
    return rows


def _output_rows(scope: GraphScope, equalized: EqualizedEncoder, normalized: str) -> str:
    """The last LayerNorm's output in the channel scale of an embedding, [length, columns]."""
    to_residual = equalized.layers[-1].ffn_norm.to_residual
    rows = scope.multiply("output.scaled", normalized, to_residual, ROLE)
    beta = scope.graph.constant(scope.full_name("output.beta"), equalized.output_beta[None])
    shape = scope.shape(rows)
    return scope.apply("ADD", [rows, beta], "output.rows", shape, ROLE, symmetric=True)


def _unscale_rows(
    scope: GraphScope, equalized: EqualizedEncoder, rows: str, width: int | None = None
) -> str:
    """Rows [n, columns] without their channel scale, columns of outliers joined: [n, width].

    `width` is how many channels are kept of one row; all by default.
    """
    layout = equalized.layers[-1].ffn_norm.layout
    if layout.outliers:
        kernel = _read_columns(equalized, np.eye(layout.hidden, width, dtype=np.float32))
        joiner = DenseWeights(kernel, np.zeros(len(kernel[0]), np.float32))
        return scope.dense("output", rows, joiner, ROLE)
    if width is not None:
        rows = cut_columns(scope, "cut", rows, width)
    return scope.multiply("output", rows, equalized.output_scale[:width], ROLE)


def _read_columns(equalized: EqualizedEncoder, kernel: FloatArray) -> FloatArray:
    """A kernel [hidden, out] as one that reads rows in the channel scale of an embedding."""
    layout = equalized.layers[-1].ffn_norm.layout
    return np.asarray(layout.expand_kernel(kernel) * equalized.output_scale[:, None], np.float32)


def _append_embedding(
    scope: GraphScope, weights: EncoderWeights, equalized: EqualizedEncoder, normalized: str
) -> str:
    """One vector of the sentence, [1, width]."""
    rows = _output_rows(scope, equalized, normalized)
    pooled = _pool_rows(scope, equalized, rows, weights.head)
    return _finish_embedding(scope, weights, equalized, pooled)


def _finish_embedding(
    scope: GraphScope,
    weights: EncoderWeights,
    equalized: EqualizedEncoder,
    pooled: Sequence[_Pooled],
) -> str:
    """What the head's layers make of the pooled rows, [1, width]."""
    head, layers = weights.head, weights.head_layers
    if not layers and len(pooled) == 1:
        return _unscale_pooled(scope, equalized, pooled[0], head.dimensions)
    inner = scope.nested("head")
    if layers and isinstance(layers[0], HeadDense):
        output = _append_first_dense(inner, equalized, pooled, layers[0])
        following = layers[1:]
    else:
        output, following = _join_pooled(scope, equalized, pooled), layers
    for index, layer in enumerate(following, len(layers) - len(following)):
        output = _append_layer(inner, index, output, layer)
    width = scope.shape(output)[1]
    if head.dimensions is None or head.dimensions >= width:
        return output
    return cut_columns(scope, "cut", output, head.dimensions)


@dataclass(frozen=True)
class _Pooled:
    """A pooled row and the scope of its names; `scaled` while it has the channel scale."""

    scope: GraphScope
    row: str
    scaled: bool = True


def _pool_rows(
    scope: GraphScope, equalized: EqualizedEncoder, rows: str, head: Head
) -> list[_Pooled]:
    """A row for each pooling; names of several begin with the pooling's."""
    outliers = equalized.layers[-1].ffn_norm.layout.outliers
    mask = "attention_mask" if head.pools_prompt else "pooling_mask"
    pooled = []
    for number, pooling in enumerate(head.poolings):
        own = scope if len(head.poolings) == 1 else scope.nested(f"{number}.{pooling.value}")
        # The largest sum of two columns is not the sum of the largest.
        joins = bool(outliers) and pooling is Pooling.MAX
        read = _unscale_rows(own.nested("joined"), equalized, rows) if joins else rows
        pooled.append(_Pooled(own, append_pooling(own, read, pooling, mask), not joins))
    return pooled


def _unscale_pooled(
    scope: GraphScope, equalized: EqualizedEncoder, pooled: _Pooled, width: int | None = None
) -> str:
    """The pooled row in the model's own channels, [1, hidden], or as many as are kept."""
    if pooled.scaled:
        return _unscale_rows(scope, equalized, pooled.row, width)
    return pooled.row if width is None else cut_columns(scope, "cut", pooled.row, width)


def _append_first_dense(
    scope: GraphScope, equalized: EqualizedEncoder, pooled: Sequence[_Pooled], dense: HeadDense
) -> str:
    """A dense layer right behind pooling: a product for each of the poolings, and their sum."""
    hidden = len(dense.kernel) // len(pooled)
    total = ""
    for number, part in enumerate(pooled):
        kernel = dense.kernel[number * hidden : (number + 1) * hidden]
        bias = dense.bias if number == 0 else np.zeros_like(dense.bias)
        name = "0" if len(pooled) == 1 else f"0.{number}"
        row = part.row
        if part.scaled:
            row, kernel = _smooth_row(scope, f"{name}.input", row, _read_columns(equalized, kernel))
        product = scope.dense(name, row, DenseWeights(kernel, bias), TensorRole.HEAD)
        sum_name = f"0.sum.{number}"
        total = scope.add(sum_name, total, product, TensorRole.HEAD) if total else product
    return append_activation(scope, "0.active", total, dense.activation, TensorRole.HEAD)


def _smooth_row(
    scope: GraphScope, name: str, row: str, kernel: FloatArray
) -> tuple[str, FloatArray]:
    """A row whose channels have like peaks, and the kernel that reads it, sharing what it spans."""
    ones = np.ones(len(kernel), np.float32)
    factors = round_factors(ones, ones, smooth_channels(ones, kernel)).factors
    smoothed = np.asarray(kernel / factors[:, None], np.float32)
    return scope.multiply(name, row, factors, ROLE, keep_full_range=True), smoothed


def _join_pooled(scope: GraphScope, equalized: EqualizedEncoder, pooled: Sequence[_Pooled]) -> str:
    """The pooled rows beside each other, [1, width]: padded with zeros and added.

    A CONCATENATION of int8 asks for one scale of all its inputs; a sum has a scale of its own.
    """
    rows = [_unscale_pooled(part.scope, equalized, part) for part in pooled]
    if len(rows) == 1:
        return rows[0]
    hidden, total = scope.shape(rows[0])[1], ""
    for number, row in enumerate(rows):
        after = len(rows) - 1 - number
        padding = np.array([[0, 0], [number * hidden, after * hidden]], np.int32)
        name = f"joined.{number}"
        amounts = scope.graph.constant(scope.full_name(f"{name}.amounts"), padding, TensorKind.IDS)
        shape = (1, hidden * len(rows))
        padded = scope.apply("PAD", [row, amounts], name, shape, ROLE)
        total = scope.add(f"joined.sum.{number}", total, padded, ROLE) if total else padded
    return total


def _append_layer(scope: GraphScope, index: int, rows: str, layer: HeadLayer) -> str:
    if isinstance(layer, HeadDense):
        return _append_dense(scope, index, rows, layer)
    if isinstance(layer, HeadNorm):
        return _append_norm(scope.nested(f"{index}"), rows, layer)
    return scope.apply("L2_NORMALIZATION", [rows], f"{index}.unit", scope.shape(rows), ROLE)


def _append_dense(scope: GraphScope, index: int, rows: str, dense: HeadDense) -> str:
    product = scope.dense(f"{index}", rows, dense, TensorRole.HEAD)
    role = TensorRole.HEAD
    return append_activation(scope, f"{index}.active", product, dense.activation, role)


def _append_norm(scope: GraphScope, rows: str, norm: HeadNorm) -> str:
    """A LayerNorm; only where these operators are float."""
    shape, graph = scope.shape(rows), scope.graph
    column = (shape[0], 1)
    axis = graph.constant("channels", np.array([1], np.int32), TensorKind.INDEX)
    least = graph.constant(scope.full_name("epsilon"), np.array([[norm.epsilon]], np.float32))
    mean = scope.apply("MEAN", [rows, axis], "mean", column, ROLE)
    centred = scope.apply("SUB", [rows, mean], "centred", shape, ROLE)
    squared = scope.apply("MUL", [centred, centred], "squared", shape, ROLE)
    variance = scope.apply("MEAN", [squared, axis], "variance", column, ROLE)
    above = scope.add("above", variance, least, ROLE)
    inverse = scope.apply("RSQRT", [above], "inverse", column, ROLE)
    unit = scope.apply("MUL", [centred, inverse], "unit", shape, ROLE)
    scaled = scope.multiply("scaled", unit, norm.gamma, ROLE)
    beta = graph.constant(scope.full_name("beta"), norm.beta[None])
    return scope.add("output", scaled, beta, ROLE)
