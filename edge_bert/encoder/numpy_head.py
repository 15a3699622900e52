"""Heads in numpy, for sentences of one length without padding."""

from __future__ import annotations

import numpy as np

from edge_bert.encoder.numpy_norm import apply_layer_norm
from edge_bert.encoder.numpy_ops import apply_activation, apply_dense, normalize_rows
from edge_bert.encoder.weights import EncoderWeights, HeadDense, HeadLayer, HeadNorm
from edge_bert.records.checkpoint import FloatArray, Pooling


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
        pooled = [pool_tokens(tokens, pooling, unpooled) for pooling in head.poolings]
        tokens = np.concatenate(pooled, axis=-1) if len(pooled) > 1 else pooled[0]
    for layer in weights.head_layers:
        tokens = apply_head_layer(layer, tokens)
    tokens = tokens[..., : head.dimensions]
    return np.asarray(normalize_rows(tokens) if head.normalize else tokens, np.float32)


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
