"""ModernBERT in `keras.ops`, called and exported as `keras_bert.Encoder` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from edge_bert.encoder.config import ModernBertConfig
from edge_bert.encoder.keras_head import apply_head, build_head_layers
from edge_bert.encoder.keras_layers import MASKED, LayerNorm, lookup_rows
from edge_bert.encoder.keras_rotary import GatedNetwork, RotaryAttention
from edge_bert.encoder.weights import HeadLayer
from edge_bert.records.checkpoint import Head


class ModernBertEmbeddings(keras.layers.Layer):
    """The token table and a LayerNorm; positions are in the attention."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(name="embeddings")
        self.word = self.add_weight(shape=(config.vocabulary, config.hidden), name="word")
        self.norm = LayerNorm(config.hidden, config.epsilon, "norm", shifts=config.norm_bias)

    def call(self, input_ids: Any) -> Any:
        """Ids [batch, length] to rows [batch * length, hidden]."""
        rows = lookup_rows(self.word, input_ids)
        return self.norm(ops.reshape(rows, (-1, rows.shape[-1])))


class ModernBertBlock(keras.layers.Layer):
    """One layer with pre-normalization, without which the first layer reads the embeddings."""

    def __init__(self, config: ModernBertConfig, index: int) -> None:
        super().__init__(name=f"layer_{index}")
        hidden, shifts = config.hidden, config.norm_bias
        self.local = config.local[index]
        theta = config.local_theta if self.local else config.global_theta
        if index:
            self.attention_norm = LayerNorm(hidden, config.epsilon, "attention_norm", shifts=shifts)
        self.attention = RotaryAttention(
            hidden,
            config.heads,
            hidden // config.heads,
            theta,
            bias=config.attention_bias,
            name="attention",
        )
        self.ffn_norm = LayerNorm(hidden, config.epsilon, "ffn_norm", shifts=shifts)
        self.ffn = GatedNetwork(
            hidden, config.ffn, config.activation, bias=config.ffn_bias, name="ffn"
        )
        self.normalizes = index > 0

    def call(self, rows: Any, bias: Any) -> Any:
        """Rows [batch * length, hidden] and a bias of scores to new rows."""
        normed = self.attention_norm(rows) if self.normalizes else rows
        rows = rows + self.attention(normed, bias)
        return rows + self.ffn(self.ffn_norm(rows))


class ModernBert(keras.Model):
    """ModernBERT with its head: int32 ids in, what the head gives out."""

    def __init__(
        self, config: ModernBertConfig, head: Head, head_layers: Sequence[HeadLayer] = ()
    ) -> None:
        super().__init__(name="encoder")
        self.head = head
        self.window = config.window
        self.embeddings = ModernBertEmbeddings(config)
        self.blocks = [ModernBertBlock(config, index) for index in range(config.layers)]
        self.norm = LayerNorm(config.hidden, config.epsilon, "norm", shifts=config.norm_bias)
        self.head_layers = build_head_layers(head_layers)

    def call(self, input_ids: Any, attention_mask: Any) -> Any:
        """Ids and mask [batch, length] to [batch, width], or [batch, length, width] for tokens."""
        length = input_ids.shape[1]
        bias = (ops.cast(attention_mask, "float32") - 1.0) * -MASKED
        everywhere = ops.reshape(bias, (-1, 1, 1, length))
        nearby = everywhere
        if length > self.window + 1:  # else every token is near every other
            nearby = everywhere + window_bias(length, self.window)
        rows = self.embeddings(input_ids)
        for block in self.blocks:
            rows = block(rows, nearby if block.local else everywhere)
        return apply_head(self.norm(rows), bias, self.head, self.head_layers)


def window_bias(length: int, window: int) -> Any:
    """0 where two tokens are at most `window` apart, else MASKED: [1, 1, length, length]."""
    positions = np.arange(length)
    far = np.abs(positions[:, None] - positions[None, :]) > window
    return ops.convert_to_tensor(np.where(far, MASKED, 0.0).astype(np.float32)[None, None])
