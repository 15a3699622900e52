"""The sizes of an encoder, whatever its configuration file calls them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EncoderConfig:
    """The sizes of an encoder.

    `heads` and `ffn` hold, for every layer, how many attention heads and feed-forward neurons it
    has; a trained model has the same in all. `position_offset` is the row of the position table
    that the first token takes. `token_types` is 0 where the model has no token-type table.
    `embedding` is the width of the tables where a projection takes them to `hidden` channels.
    """

    hidden: int
    head_size: int
    heads: tuple[int, ...]
    ffn: tuple[int, ...]
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    activation: str = "gelu"
    position_offset: int = 0
    embedding: int | None = None

    @property
    def layers(self) -> int:
        """How many transformer layers there are."""
        return len(self.heads)

    @property
    def table_width(self) -> int:
        """The channels of the embedding tables and of the LayerNorm after them."""
        return self.embedding or self.hidden


@dataclass(frozen=True)
class MobileBertConfig:
    """The sizes of a MobileBERT: layers as wide as `bottleneck` between rows of `hidden`.

    Every layer has `feed_forwards` stacked feed-forward halves of `ffn` neurons. With
    `attention_in_bottleneck`, queries, keys and values all read the layer's one bottleneck.
    `pooler` says that a classifier has a dense layer before its last.
    """

    hidden: int
    embedding: int
    bottleneck: int
    layers: int
    heads: int
    ffn: int
    feed_forwards: int
    attention_in_bottleneck: bool
    pooler: bool
    vocabulary: int
    positions: int
    token_types: int
    activation: str
    position_offset: int = 0


@dataclass(frozen=True)
class Gpt2Config:
    """The sizes of a GPT-2; `scaled_scores` says that scores are divided by sqrt(head size).

    With `scaled_by_layer` those of layer i are also divided by i + 1.
    """

    hidden: int
    layers: int
    heads: int
    ffn: int
    vocabulary: int
    positions: int
    epsilon: float
    activation: str
    scaled_scores: bool
    scaled_by_layer: bool
    token_types: int = 0
    position_offset: int = 0


@dataclass(frozen=True)
class DenseHead:
    """One dense layer of a classification head, by the name of its weights in the checkpoint."""

    name: str
    activation: str = "linear"
