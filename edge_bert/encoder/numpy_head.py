"""Heads in numpy, for sentences of one length without padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.encoder.numpy_norm import apply_layer_norm
from edge_bert.encoder.numpy_ops import apply_activation, apply_dense, normalize_rows
from edge_bert.encoder.weights import EncoderWeights, ExitWeights, HeadDense, HeadLayer, HeadNorm
from edge_bert.records.checkpoint import FloatArray, Head, Pooling


def apply_head(
    weights: EncoderWeights, rows: FloatArray, length: int, unpooled: int = 0
) -> FloatArray:
    """Rows [sentences * length, hidden] to [sentences, width].

    Where the head gives tokens, to [sentences, length, width]. The first `unpooled` tokens of each
    sentence are a prompt that pooling leaves out.
    """
    head = weights.head
    tokens = rows.reshape(-1, length, rows.shape[-1])
    if not head.gives_tokens:
        tokens = pool_rows(head, tokens, unpooled)
    return _apply_layers(head, weights.head_layers, tokens)


def apply_exit(
    weights: ExitWeights, rows: FloatArray, length: int, unpooled: int = 0
) -> tuple[FloatArray, FloatArray | None]:
    """What an exit gives for rows, as `apply_head`: its output [sentences, width], and the cosine
    [sentences, 1] to the whole model's vector that it predicts, if it does."""
    pooled = pool_rows(weights.head, rows.reshape(-1, length, rows.shape[-1]), unpooled)
    agreement = None
    if weights.agreement is not None:
        agreement = apply_activation(apply_dense(weights.agreement, pooled), "sigmoid")
    return _apply_layers(weights.head, weights.head_layers, pooled), agreement


def pool_rows(head: Head, tokens: FloatArray, unpooled: int = 0) -> FloatArray:
    """Tokens [sentences, length, hidden] to rows [sentences, channels]; poolings stand in a row."""
    pooled = [pool_tokens(tokens, pooling, unpooled) for pooling in head.poolings]
    return np.concatenate(pooled, axis=-1) if len(pooled) > 1 else pooled[0]


def _apply_layers(head: Head, layers: Sequence[HeadLayer], rows: FloatArray) -> FloatArray:
    for layer in layers:
        rows = apply_head_layer(layer, rows)
    rows = rows[..., : head.dimensions]
    return np.asarray(normalize_rows(rows) if head.normalize else rows, np.float32)


def pool_tokens(tokens: FloatArray, pooling: Pooling, unpooled: int = 0) -> FloatArray:
    """The one vector of each sentence: tokens [sentences, length, hidden] to [sentences, hidden]"""
    tokens = tokens[:, unpooled:]
    length = tokens.shape[1]
    match pooling:
        case Pooling.CLS:
            return tokens[:, 0]
        case Pooling.LAST:
            return tokens[:, -1]
        case Pooling.MAX:
            return np.asarray(tokens.max(axis=1))
        case Pooling.MEAN_SQRT_LENGTH:
            return np.asarray(tokens.sum(axis=1) / np.float32(np.sqrt(length)))
        case Pooling.WEIGHTED_MEAN:
            places = np.arange(1 + unpooled, length + 1 + unpooled, dtype=np.float32)
            return np.asarray(np.tensordot(tokens, places / places.sum(), (1, 0)))
    return np.asarray(tokens.mean(axis=1))


def apply_head_layer(layer: HeadLayer, rows: FloatArray) -> FloatArray:
    """One layer of a head on rows [..., channels]."""
    if isinstance(layer, HeadDense):
        return apply_activation(apply_dense(layer, rows), layer.activation)
    if isinstance(layer, HeadNorm):
        return apply_layer_norm(layer, rows, layer.epsilon).output
    return normalize_rows(rows)
