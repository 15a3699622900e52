"""Attention that was found in a graph, held against what the graph computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.encoder.numpy_ops import softmax
from edge_bert.encoder.relative_bias import relative_bias
from edge_bert.formats.onnx.evaluate import NotComputed, evaluate_node
from edge_bert.formats.onnx.graph import Array, OnnxGraph
from edge_bert.records.checkpoint import FloatArray
from edge_bert.sources.onnx.blocks import OnnxEncoderLayer
from edge_bert.sources.onnx.parts import Linear, NotRecognized
from edge_bert.sources.onnx.probe import Probe, are_close

Rows = tuple[FloatArray, FloatArray, FloatArray]


def check_attention(
    graph: OnnxGraph,
    layer: OnnxEncoderLayer,
    heads: int,
    table: FloatArray | None,
    probes: Sequence[Probe],
) -> None:
    """Compute a layer's attention from random queries, keys and values.

    `table` [buckets, heads] is what is added to scores beside the mask. Raises NotRecognized where
    it is no softmax(q k + mask) v of these heads.
    """
    for probe in probes:
        query, key, value = (
            probe.draw(seed, dense.kernel.shape[1]) for seed, dense in enumerate(_dense(layer))
        )
        expected = _attend((query, key, value), heads, layer.attention.scale, table, probe.count)
        if not are_close(_run(graph, layer, (query, key, value), probe), expected):
            raise NotRecognized(
                f"its attention before {layer.attention_output.output[:80]!r} is no softmax of "
                f"scaled products of queries and keys in {heads} heads"
            )


def _dense(layer: OnnxEncoderLayer) -> tuple[Linear, Linear, Linear]:
    attention = layer.attention
    return attention.query, attention.key, attention.value


def _run(graph: OnnxGraph, layer: OnnxEncoderLayer, rows: Rows, probe: Probe) -> FloatArray:
    """The context of the tokens that are no padding, [batch, tokens, channels]."""
    feeds = dict(probe.inputs) | {
        dense.output: _shape_rows(graph, dense, values)
        for dense, values in zip(_dense(layer), rows, strict=True)
    }
    try:
        context = evaluate_node(graph, layer.attention_output.input, feeds)
        tokens = context.reshape(rows[2].shape)[:, : probe.count]
    except (NotComputed, ValueError) as error:
        raise NotRecognized(f"its attention cannot be followed ({error})") from error
    return np.asarray(tokens, np.float32)


def _shape_rows(graph: OnnxGraph, dense: Linear, rows: FloatArray) -> Array:
    """As the dense layer gives them: Gemm has one axis for all tokens."""
    flat = graph.makers[dense.output].op == "Gemm"
    return rows.reshape(-1, rows.shape[-1]) if flat else rows


def _attend(
    rows: Rows, heads: int, scale: float | None, table: FloatArray | None, count: int
) -> FloatArray:
    """What attention gives for the first `count` tokens."""
    query, key, value = (
        values[:, :count].reshape(len(values), count, heads, -1).transpose(0, 2, 1, 3)
        for values in rows
    )
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = query @ key.swapaxes(-1, -2) * np.float32(factor)
    scores = scores if table is None else scores + relative_bias(table, count)
    context = (softmax(scores) @ value).transpose(0, 2, 1, 3)
    return np.asarray(context.reshape(len(context), count, -1))
