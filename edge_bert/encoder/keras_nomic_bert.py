"""nomic-bert in `keras.ops`, called and exported as `keras_bert.Encoder` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from edge_bert.encoder.config import NomicBertConfig
from edge_bert.encoder.keras_head import apply_head, build_head_layers
from edge_bert.encoder.keras_layers import MASKED, LayerNorm, lookup_rows
from edge_bert.encoder.keras_rotary import GatedNetwork, RotaryAttention
from edge_bert.encoder.weights import HeadLayer
from edge_bert.records.checkpoint import Head


class NomicBertEmbeddings(keras.layers.Layer):
    """Token and token-type tables, summed and normalized; positions are in the attention."""

    def __init__(self, config: NomicBertConfig) -> None:
        super().__init__(name="embeddings")
        width = config.hidden
        self.word = self.add_weight(shape=(config.vocabulary, width), name="word")
        self.token_type = self.add_weight(shape=(config.token_types, width), name="token_type")
        self.norm = LayerNorm(width, config.epsilon, "norm")

    def call(self, input_ids: Any, token_type_ids: Any | None) -> Any:
        """Ids [batch, length] to rows [batch * length, hidden]."""
        rows = lookup_rows(self.word, input_ids)
        if token_type_ids is None:
            rows = rows + self.token_type[0]
        else:
            rows = rows + lookup_rows(self.token_type, token_type_ids)
        return self.norm(ops.reshape(rows, (-1, rows.shape[-1])))


class NomicBertBlock(keras.layers.Layer):
    """One layer with post-normalization, as BERT's, but turned and gated."""

    def __init__(self, config: NomicBertConfig, index: int) -> None:
        super().__init__(name=f"layer_{index}")
        hidden = config.hidden
        self.attention = RotaryAttention(
            hidden, config.heads, config.head_size, config.theta, bias=False, name="attention"
        )
        self.attention_norm = LayerNorm(hidden, config.epsilon, "attention_norm")
        self.ffn = GatedNetwork(hidden, config.ffn, config.activation, bias=False, name="ffn")
        self.ffn_norm = LayerNorm(hidden, config.epsilon, "ffn_norm")

    def call(self, rows: Any, bias: Any) -> Any:
        """Rows [batch * length, hidden] and a bias of scores to new rows."""
        rows = self.attention_norm(rows + self.attention(rows, bias))
        return self.ffn_norm(rows + self.ffn(rows))


class NomicBert(keras.Model):
    """nomic-bert with its head: int32 ids in, what the head gives out."""

    def __init__(
        self, config: NomicBertConfig, head: Head, head_layers: Sequence[HeadLayer] = ()
    ) -> None:
        super().__init__(name="encoder")
        self.head = head
        self.embeddings = NomicBertEmbeddings(config)
        self.blocks = [NomicBertBlock(config, index) for index in range(config.layers)]
        self.head_layers = build_head_layers(head_layers)

    def call(self, input_ids: Any, attention_mask: Any, token_type_ids: Any | None = None) -> Any:
        """Ids and mask [batch, length] to [batch, width], or [batch, length, width] for tokens."""
        bias = (ops.cast(attention_mask, "float32") - 1.0) * -MASKED
        rows = self.embeddings(input_ids, token_type_ids)
        for block in self.blocks:
            rows = block(rows, ops.reshape(bias, (-1, 1, 1, input_ids.shape[1])))
        return apply_head(rows, bias, self.head, self.head_layers)
