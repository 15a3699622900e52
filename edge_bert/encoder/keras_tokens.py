"""Going on with fewer tokens, in `keras.ops`: those that receive most attention.

The rows that stay stand in the order of their attention, not of the text: positions were added
before the first layer, and no layer and no pooling that such a model may have asks for places.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from edge_bert.encoder.keras_layers import MASKED, lookup_rows
from edge_bert.records.token_cuts import TokenCut


class Tokens(NamedTuple):
    """Rows [batch * length, hidden], and 0 where they are tokens, MASKED where padding [batch,
    length]."""

    rows: Any
    bias: Any


def cut_rows(
    cut: TokenCut | None, values: Any, heads: int, bias: Any, attention_mask: Any
) -> Tokens:
    """What the layer after one of so many `heads` reads, which gave `values`; all without a `cut`.

    `bias` [batch, length now] is that of the rows that the layer read, the mask that of the text.
    """
    if cut is None:
        return Tokens(values.output, bias)
    received = receive_attention(values.query, values.key, bias, heads)
    counts = ops.sum(attention_mask, axis=-1, keepdims=True)
    tokens = Tokens(values.output, bias)
    return cut_tokens(tokens, received, counts, cut, attention_mask.shape[1])


def cut_tokens(tokens: Tokens, received: Any, counts: Any, cut: TokenCut, length: int) -> Tokens:
    """The rows that `cut` keeps.

    `received` is the attention of each row [batch, length now]; `counts` are the tokens that each
    text began with [batch, 1], and `length` that of the padded batch, which say how many stay.
    """
    kept = cut.count_kept(length)
    _, places = ops.top_k(rank_tokens(received, tokens.bias), kept)
    rows = _take_rows(tokens.rows, places, tokens.bias.shape[-1])
    stay = ops.cast(counts >= _least_counts(cut, length, kept), "float32")
    return Tokens(rows, (stay - 1.0) * -MASKED)


def receive_attention(query: Any, key: Any, bias: Any, heads: int) -> Any:
    """The attention that each row receives from the text's tokens, mean of the heads.

    Queries (scaled) and keys are rows [batch * length, width]; `bias` and what is given are
    [batch, length]. The scores are those that the layer computes, and the converter merges them.
    """
    width, length = query.shape[-1], bias.shape[-1]

    def split(rows: Any) -> Any:
        by_head = ops.reshape(rows, (-1, length, heads, width // heads))
        return ops.transpose(by_head, (0, 2, 1, 3))

    scores = ops.matmul(split(query), ops.transpose(split(key), (0, 1, 3, 2)))
    shares = ops.softmax(scores + ops.reshape(bias, (-1, 1, 1, length)), axis=-1)
    asks = ops.reshape(1.0 - bias / MASKED, (-1, length, 1))
    return ops.sum(ops.mean(shares, axis=1) * asks, axis=1)


def rank_tokens(received: Any, bias: Any) -> Any:
    """By what rows are ranked: the first before all, then tokens by attention, padding behind."""
    first = np.zeros(bias.shape[-1], np.float32)
    first[0] = -MASKED  # a token receives no more than there are tokens
    return received + bias + first


def _take_rows(rows: Any, places: Any, length: int) -> Any:
    """The rows of each text at its `places` [batch, kept]."""
    batch = places.shape[0]
    if batch != 1:
        first = ops.arange(ops.shape(places)[0], dtype="int32") * length
        places = ops.cast(places, "int32") + ops.expand_dims(first, -1)
    return lookup_rows(rows, ops.reshape(places, (-1,)))


def _least_counts(cut: TokenCut, length: int, kept: int) -> Any:
    """The tokens that a text must have at least so that the row of each rank stays, [1, kept]."""
    stay = np.array([cut.count_kept(count) for count in range(length + 1)])
    return np.searchsorted(stay, np.arange(kept), side="right")[None].astype(np.int32)
