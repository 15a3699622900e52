"""MobileBERT in `keras.ops`, called and exported as `keras_bert.Encoder` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from edge_bert.encoder.config import MobileBertConfig
from edge_bert.encoder.keras_bert import attend_heads
from edge_bert.encoder.keras_head import apply_head, build_head_layers
from edge_bert.encoder.keras_layers import MASKED, Dense, lookup_rows
from edge_bert.encoder.weights import HeadLayer
from edge_bert.records.checkpoint import Head


class NoNorm(keras.layers.Layer):
    """A scale and a shift for every channel, where other models have LayerNorm."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__(name=name)
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(size,), initializer="zeros", name="beta")

    def call(self, rows: Any) -> Any:
        """Rows [n, size], scaled and shifted."""
        return rows * self.gamma + self.beta


class Bottleneck(keras.layers.Layer):
    """A matrix and a NoNorm after it, and after a residual where there is one."""

    def __init__(self, inputs: int, outputs: int, name: str) -> None:
        super().__init__(name=name)
        self.dense = Dense(inputs, outputs, "dense")
        self.norm = NoNorm(outputs, "norm")

    def call(self, rows: Any, residual: Any | None = None) -> Any:
        """Rows [n, inputs] to rows [n, outputs]."""
        projected = self.dense(rows)
        return self.norm(projected if residual is None else projected + residual)


class FeedForward(keras.layers.Layer):
    """One of the stacked feed-forward networks of a layer."""

    def __init__(self, config: MobileBertConfig, name: str) -> None:
        super().__init__(name=name)
        self.ffn_in = Dense(config.bottleneck, config.ffn, "ffn_in", config.activation)
        self.ffn_out = Dense(config.ffn, config.bottleneck, "ffn_out")
        self.norm = NoNorm(config.bottleneck, "norm")

    def call(self, rows: Any) -> Any:
        """Rows [n, bottleneck] to new rows."""
        return self.norm(self.ffn_out(self.ffn_in(rows)) + rows)


class MobileBertBlock(keras.layers.Layer):
    """One layer: into the bottleneck, attention, feed-forward networks, and out again."""

    def __init__(self, config: MobileBertConfig, index: int) -> None:
        super().__init__(name=f"layer_{index}")
        hidden, width = config.hidden, config.bottleneck
        self.config = config
        self.bottleneck = Bottleneck(hidden, width, "bottleneck")
        in_bottleneck = config.attention_in_bottleneck
        self.attention_bottleneck = (
            None if in_bottleneck else Bottleneck(hidden, width, "attention_bottleneck")
        )
        self.query = Dense(width, width, "query")
        self.key = Dense(width, width, "key")
        self.value = Dense(width if in_bottleneck else hidden, width, "value")
        self.attention_output = Dense(width, width, "attention_output")
        self.attention_norm = NoNorm(width, "attention_norm")
        self.halves = [
            FeedForward(config, f"half_{index}") for index in range(config.feed_forwards)
        ]
        self.output_bottleneck = Bottleneck(width, hidden, "output_bottleneck")

    def call(self, rows: Any, bias: Any) -> Any:
        """Rows [batch * length, hidden] and a mask bias [batch, 1, 1, length] to new rows."""
        narrow = self.bottleneck(rows)
        if self.attention_bottleneck is None:
            query_input, value_input = narrow, narrow
        else:
            query_input, value_input = self.attention_bottleneck(rows), rows
        scale = (self.config.bottleneck // self.config.heads) ** -0.5
        query, key = self.query(query_input) * scale, self.key(query_input)
        context = attend_heads(query, key, self.value(value_input), bias, self.config.heads)
        narrow = self.attention_norm(self.attention_output(context) + narrow)
        for feed_forward in self.halves:
            narrow = feed_forward(narrow)
        return self.output_bottleneck(narrow, rows)


class MobileBertEmbeddings(keras.layers.Layer):
    """Each token with its two neighbors, projected to the width of the model, and its position."""

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__(name="embeddings")
        self.config = config
        self.word = self.add_weight(shape=(config.vocabulary, config.embedding), name="word")
        self.position = self.add_weight(shape=(config.positions, config.hidden), name="position")
        types = (config.token_types, config.hidden)
        self.token_type = self.add_weight(shape=types, name="token_type")
        self.trigram = Dense(3 * config.embedding, config.hidden, "trigram")
        self.norm = NoNorm(config.hidden, "norm")

    def call(self, input_ids: Any, mask: Any, token_type_ids: Any | None) -> Any:
        """Ids and float mask [batch, length] to rows [batch * length, hidden]."""
        length, hidden = input_ids.shape[1], self.config.hidden
        # The last token has no neighbor after it, as in a text that is not padded.
        tokens = lookup_rows(self.word, input_ids) * ops.expand_dims(mask, -1)
        padded = ops.pad(tokens, ((0, 0), (1, 1), (0, 0)))
        trigrams = ops.concatenate([padded[:, 2:], tokens, padded[:, :length]], axis=-1)
        rows = self.trigram(ops.reshape(trigrams, (-1, 3 * self.config.embedding)))
        summed = ops.reshape(rows, (-1, length, hidden)) + self.position[:length]
        if token_type_ids is None:
            summed = summed + self.token_type[0]
        else:
            summed = summed + lookup_rows(self.token_type, token_type_ids)
        return self.norm(ops.reshape(summed, (-1, hidden)))


class MobileBert(keras.Model):
    """MobileBERT with its head: int32 ids in, an embedding or logits out.

    A text gives what transformers gives for it alone: there, the padding of a batch is a neighbor
    of the last token and changes the output.
    """

    def __init__(
        self, config: MobileBertConfig, head: Head, head_layers: Sequence[HeadLayer]
    ) -> None:
        super().__init__(name="encoder")
        self.head = head
        self.embeddings = MobileBertEmbeddings(config)
        self.blocks = [MobileBertBlock(config, index) for index in range(config.layers)]
        self.head_layers = build_head_layers(head_layers)

    def call(self, input_ids: Any, attention_mask: Any, token_type_ids: Any | None = None) -> Any:
        """Ids and mask [batch, length] to [batch, hidden] (embedding) or [batch, labels]."""
        length = input_ids.shape[1]
        mask = ops.cast(attention_mask, "float32")
        bias = (mask - 1.0) * -MASKED
        rows = self.embeddings(input_ids, mask, token_type_ids)
        for block in self.blocks:
            rows = block(rows, ops.reshape(bias, (-1, 1, 1, length)))
        return apply_head(rows, bias, self.head, self.head_layers)
