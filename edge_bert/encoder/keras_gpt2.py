"""GPT-2 in `keras.ops`, called and exported as `keras_bert.Encoder` is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from edge_bert.encoder.config import Gpt2Config
from edge_bert.encoder.keras_bert import (
    MASKED,
    Dense,
    LayerNorm,
    attend_heads,
    lookup_rows,
    unit_length,
)
from edge_bert.records.checkpoint import Head, Pooling, Task


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


class Score(keras.layers.Layer):
    """A matrix [inputs, outputs] without a bias."""

    def __init__(self, inputs: int, outputs: int, name: str) -> None:
        super().__init__(name=name)
        self.kernel = self.add_weight(shape=(inputs, outputs), name="kernel")

    def call(self, rows: Any) -> Any:
        """Rows [n, inputs] to rows [n, outputs]."""
        return ops.matmul(rows, self.kernel)


class Gpt2(keras.Model):
    """GPT-2 with its head: int32 ids in, an embedding or logits out.

    Requires: texts that are padded on the right, so that no token sees padding before it. A text
    without tokens gives zeros.
    """

    def __init__(self, config: Gpt2Config, head: Head) -> None:
        super().__init__(name="encoder")
        self.head = head
        self.embeddings = Gpt2Embeddings(config)
        self.blocks = [Gpt2Block(config, index) for index in range(config.layers)]
        self.norm = LayerNorm(config.hidden, config.epsilon, "norm")
        classifies = head.task is Task.CLASSIFICATION
        self.head_layers = [Score(config.hidden, len(head.labels), "head_0")] if classifies else []

    def call(self, input_ids: Any, attention_mask: Any) -> Any:
        """Ids and mask [batch, length] to [batch, hidden] (embedding) or [batch, labels]."""
        length = input_ids.shape[1]
        rows, bias = self.embeddings(input_ids), _causal_bias(length)
        for block in self.blocks:
            rows = block(rows, bias)
        rows = self.norm(rows)
        tokens = ops.reshape(rows, (-1, length, rows.shape[-1]))
        weights = ops.expand_dims(self._weights(ops.cast(attention_mask, "float32")), 1)
        pooled = ops.reshape(ops.matmul(weights, tokens), (-1, rows.shape[-1]))
        for layer in self.head_layers:
            pooled = layer(pooled)
        return unit_length(pooled) if self.head.normalize else pooled

    def _weights(self, mask: Any) -> Any:
        """The weight of each token in the pooled vector, [batch, length]."""
        if self.head.task is Task.CLASSIFICATION or self.head.pooling is Pooling.LAST:
            # Only on the last token does a 1 of the mask stand before a 0 or the end.
            return mask - ops.pad(mask, ((0, 0), (0, 1)))[:, 1:]
        return mask / ops.maximum(ops.sum(mask, axis=-1, keepdims=True), 1.0)


def _causal_bias(length: int) -> Any:
    """0 where a token (row) sees another (column), itself and those before it; else MASKED."""
    return ops.convert_to_tensor(np.triu(np.full((length, length), MASKED, np.float32), 1))
