"""Heads in `keras.ops`: pooling, the layers after it, the cut to some channels, unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from edge_bert.encoder.keras_layers import MASKED, Dense, LayerNorm, unit_length
from edge_bert.encoder.weights import HeadDense, HeadLayer, HeadNorm
from edge_bert.records.checkpoint import Head, Pooling

LEAST = 1e-9  # sentence-transformers divides by it where a text has no tokens


def build_head_layers(layers: Sequence[HeadLayer]) -> list[Any]:
    """Keras layers of these kinds and sizes, without their values."""
    return [_build_layer(layer, f"head_{index}") for index, layer in enumerate(layers)]


def _build_layer(layer: HeadLayer, name: str) -> Any:
    if isinstance(layer, HeadDense):
        inputs, outputs = layer.kernel.shape
        return Dense(inputs, outputs, name, layer.activation)
    if isinstance(layer, HeadNorm):
        return LayerNorm(len(layer.gamma), layer.epsilon, name)
    return unit_length


def apply_head(rows: Any, bias: Any, head: Head, layers: Sequence[Any]) -> Any:
    """Rows [batch * length, hidden] to [batch, width], or to [batch, length, width] for tokens.

    `bias` [batch, length] is 0 on tokens and far below 0 on padding.
    """
    if head.gives_tokens:
        rows = apply_head_layers(rows, head, layers)
        return ops.reshape(rows, (-1, bias.shape[-1], rows.shape[-1]))
    return apply_head_layers(pool_rows(rows, bias, head), head, layers)


def pool_rows(rows: Any, bias: Any, head: Head) -> Any:
    """Rows [batch * length, hidden] to the pooled row of each text [batch, channels].

    `bias` is that of `apply_head`; several poolings stand beside each other.
    """
    tokens = ops.reshape(rows, (-1, bias.shape[-1], rows.shape[-1]))
    pooled = [pool_tokens(tokens, bias, pooling, head.pools_prompt) for pooling in head.poolings]
    return pooled[0] if len(pooled) == 1 else ops.concatenate(pooled, axis=-1)


def apply_head_layers(rows: Any, head: Head, layers: Sequence[Any]) -> Any:
    """What follows pooling: rows [n, channels] to rows [n, width]."""
    for layer in layers:
        rows = layer(rows)
    if head.dimensions is not None:
        rows = rows[:, : head.dimensions]
    return unit_length(rows) if head.normalize else rows


def pool_tokens(tokens: Any, bias: Any, pooling: Pooling, from_first: bool = True) -> Any:
    """The one vector of each text: tokens [batch, length, hidden] to [batch, hidden].

    Unless `from_first`, the first tokens may be masked, and the first of the others counts as such.
    """
    match pooling:
        case Pooling.CLS if not from_first:
            return sum_weighted(tokens, first_token(_mask_of(bias)))
        case Pooling.CLS:
            return tokens[:, 0, :]
        case Pooling.MAX:
            return ops.max(tokens + ops.expand_dims(bias, -1), axis=1)
        case Pooling.LAST:
            return sum_weighted(tokens, last_token(_mask_of(bias)))
        case Pooling.MEAN_SQRT_LENGTH:
            mask = _mask_of(bias)
            count = ops.sum(mask, axis=-1, keepdims=True)
            return sum_weighted(tokens, mask * ops.rsqrt(ops.maximum(count, LEAST)))
        case Pooling.WEIGHTED_MEAN:
            # Each token counts as much as its place from 1 (Muennighoff 2022, arXiv:2202.08904).
            places = ops.arange(1, tokens.shape[1] + 1, dtype="float32") * _mask_of(bias)
            total = ops.sum(places, axis=-1, keepdims=True)
            return sum_weighted(tokens, places / ops.maximum(total, LEAST))
    # The softmax of the mask bias is 1/n on the n real tokens and 0 elsewhere: a mean whose
    # range is the same for every sentence length, which integers need.
    return sum_weighted(tokens, ops.softmax(bias, axis=-1))


def last_token(mask: Any) -> Any:
    """1 on the last token and 0 elsewhere, [batch, length]; padding stands on the right."""
    # Only on the last token does a 1 of the mask stand before a 0 or the end.
    return mask - ops.pad(mask, ((0, 0), (0, 1)))[:, 1:]


def first_token(mask: Any) -> Any:
    """1 on the first token and 0 elsewhere, [batch, length]; tokens are side by side."""
    return mask * (1.0 - ops.pad(mask, ((0, 0), (1, 0)))[:, :-1])


def _mask_of(bias: Any) -> Any:
    return 1.0 - bias / MASKED


def sum_weighted(tokens: Any, weights: Any) -> Any:
    """Sums of tokens [batch, length, hidden] by weights [batch, length]: [batch, hidden]."""
    weights = ops.reshape(weights, (-1, 1, tokens.shape[1]))
    return ops.reshape(ops.matmul(weights, tokens), (-1, tokens.shape[2]))
