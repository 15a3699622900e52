"""GPT-2 in `keras.ops`, called and exported as `keras_bert.Encoder` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from edge_bert.encoder.config import Gpt2Config
from edge_bert.encoder.keras_bert import attend_heads
from edge_bert.encoder.keras_head import (
    apply_head,
    apply_head_layers,
    build_head_layers,
    last_token,
    sum_weighted,
)
from edge_bert.encoder.keras_layers import MASKED, Dense, LayerNorm, lookup_rows
from edge_bert.encoder.weights import HeadLayer
from edge_bert.records.checkpoint import Head, Pooling


class Gpt2Embeddings(keras.layers.Layer):
    """Token and position tables, summed."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__(name="embeddings")
        self.word = self.add_weight(shape=(config.vocabulary, config.hidden), name="word")
        self.position = self.add_weight(shape=(config.positions, config.hidden), name="position")

    def call(self, input_ids: Any) -> Any:
        """Ids [batch, length] to rows [batch * length, hidden]."""
        summed = lookup_rows(self.word, input_ids) + self.position[: input_ids.shape[1]]
        return ops.reshape(summed, (-1, summed.shape[-1]))


class Gpt2Block(keras.layers.Layer):
    """One layer with pre-normalization: LayerNorm stands before each sublayer, not behind it."""

    def __init__(self, config: Gpt2Config, index: int) -> None:
        super().__init__(name=f"layer_{index}")
        hidden = config.hidden
        self.heads = config.heads
        self.scale = (hidden // config.heads) ** -0.5 if config.scaled_scores else 1.0
        self.scale /= index + 1 if config.scaled_by_layer else 1
        self.attention_norm = LayerNorm(hidden, config.epsilon, "attention_norm")
        self.query = Dense(hidden, hidden, "query")
        self.key = Dense(hidden, hidden, "key")
        self.value = Dense(hidden, hidden, "value")
        self.attention_output = Dense(hidden, hidden, "attention_output")
        self.ffn_norm = LayerNorm(hidden, config.epsilon, "ffn_norm")
        self.ffn_in = Dense(hidden, config.ffn, "ffn_in", config.activation)
        self.ffn_out = Dense(config.ffn, hidden, "ffn_out")

    def call(self, rows: Any, bias: Any) -> Any:
        """Rows [batch * length, hidden] and a causal bias [length, length] to new rows."""
        normed = self.attention_norm(rows)
        query, key = self.query(normed) * self.scale, self.key(normed)
        context = attend_heads(query, key, self.value(normed), bias, self.heads)
        rows = rows + self.attention_output(context)
        return rows + self.ffn_out(self.ffn_in(self.ffn_norm(rows)))


# Poolings whose weights are 0 for a text without tokens, which a byte-level tokenizer makes of "".
WEIGHTED = ((Pooling.MEAN,), (Pooling.LAST,))


class Gpt2(keras.Model):
    """GPT-2 with its head: int32 ids in, an embedding or logits out.

    Requires: texts that are padded on the right, so that no token sees padding before it.
    """

    def __init__(
        self, config: Gpt2Config, head: Head, head_layers: Sequence[HeadLayer] = ()
    ) -> None:
        super().__init__(name="encoder")
        self.head = head
        self.embeddings = Gpt2Embeddings(config)
        self.blocks = [Gpt2Block(config, index) for index in range(config.layers)]
        self.norm = LayerNorm(config.hidden, config.epsilon, "norm")
        self.head_layers = build_head_layers(head_layers)

    def call(self, input_ids: Any, attention_mask: Any) -> Any:
        """Ids and mask [batch, length] to [batch, hidden] (embedding) or [batch, labels]."""
        length = input_ids.shape[1]
        rows, bias = self.embeddings(input_ids), _causal_bias(length)
        for block in self.blocks:
            rows = block(rows, bias)
        rows = self.norm(rows)
        mask = ops.cast(attention_mask, "float32")
        if self.head.gives_tokens or self.head.poolings not in WEIGHTED:
            return apply_head(rows, (mask - 1.0) * -MASKED, self.head, self.head_layers)
        tokens = ops.reshape(rows, (-1, length, rows.shape[-1]))
        pooled = sum_weighted(tokens, self._weights(mask))
        return apply_head_layers(pooled, self.head, self.head_layers)

    def _weights(self, mask: Any) -> Any:
        """The weight of each token in the pooled vector, [batch, length]."""
        if self.head.poolings == (Pooling.LAST,):
            return last_token(mask)
        return mask / ops.maximum(ops.sum(mask, axis=-1, keepdims=True), 1.0)


def _causal_bias(length: int) -> Any:
    """0 where a token (row) sees another (column), itself and those before it; else MASKED."""
    return ops.convert_to_tensor(np.triu(np.full((length, length), MASKED, np.float32), 1))
