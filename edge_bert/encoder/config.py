"""The sizes of an encoder, whatever its configuration file calls them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from edge_bert.records.token_cuts import Cuts


class MatrixRole(enum.Enum):
    """The matrices of a transformer layer, in the order in which a layer applies them.

    The one list of them: code that walks over a layer's matrices walks over these roles.
    """

    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    ATTENTION_OUTPUT = "attention_output"
    FFN_IN = "ffn_in"
    FFN_OUT = "ffn_out"


@dataclass(frozen=True)
class EncoderConfig:
    """The sizes of an encoder.

    `heads` and `ffn` hold, for every layer, its attention heads and feed-forward neurons; a trained
    model has the same in all. `position_offset` is the row of the position table that the first
    token takes. `token_types` is 0 where the model has no token-type table. `embedding` is the
    width of the tables where a projection takes them to `hidden` channels. `relative_buckets` are
    the rows of the table of a relative position bias, 0 where there is none. `cuts` say after which
    layers a text goes on with fewer tokens (encoder/token_cuts.py).
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
    relative_buckets: int = 0
    cuts: Cuts = field(default=(), repr=False)  # digests of models without stay good

    @property
    def layers(self) -> int:
        """The number of transformer layers."""
        return len(self.heads)

    @property
    def table_width(self) -> int:
        """The channels of the embedding tables and of the LayerNorm after them."""
        return self.embedding or self.hidden

    def matrix_shape(self, role: MatrixRole, layer: int) -> tuple[int, int]:
        """The inputs and outputs of a matrix of a layer."""
        attention = self.heads[layer] * self.head_size
        match role:
            case MatrixRole.QUERY | MatrixRole.KEY | MatrixRole.VALUE:
                return self.hidden, attention
            case MatrixRole.ATTENTION_OUTPUT:
                return attention, self.hidden
            case MatrixRole.FFN_IN:
                return self.hidden, self.ffn[layer]
            case MatrixRole.FFN_OUT:
                return self.ffn[layer], self.hidden


@dataclass(frozen=True)
class MobileBertConfig:
    """The sizes of a MobileBERT: layers as wide as `bottleneck` between rows of `hidden`.

    Every layer has `feed_forwards` stacked feed-forward networks of `ffn` neurons. With
    `attention_in_bottleneck`, queries, keys and values all read the layer's one bottleneck.
    With `pooler`, a classifier has a dense layer before its last.
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
    """The sizes of a GPT-2.

    With `scaled_scores`, attention scores are divided by the root of the head size; with
    `scaled_by_layer`, those of layer i also by i + 1.
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
class ModernBertConfig:
    """The sizes of a ModernBERT.

    `local` says of each layer whether a token sees only those at most `window` away. Positions turn
    queries and keys, by frequencies whose base is `global_theta` or `local_theta`.
    """

    hidden: int
    layers: int
    heads: int
    ffn: int
    vocabulary: int
    positions: int
    epsilon: float
    activation: str
    local: tuple[bool, ...]
    window: int
    global_theta: float
    local_theta: float
    attention_bias: bool
    ffn_bias: bool
    norm_bias: bool
    classifier_bias: bool
    classifier_activation: str
    token_types: int = 0
    position_offset: int = 0


@dataclass(frozen=True)
class NomicBertConfig:
    """The sizes of a nomic-bert; `theta` is the base of the frequencies of its positions."""

    hidden: int
    layers: int
    heads: int
    head_size: int
    ffn: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    activation: str
    theta: float
    position_offset: int = 0


@dataclass(frozen=True)
class DenseHead:
    """One dense layer of a classification head, by the name of its weights in the checkpoint.

    `norm` names the LayerNorm on its activation, where there is one.
    """

    name: str
    activation: str = "linear"
    bias: bool = True
    norm: str = ""
    norm_bias: bool = True
    epsilon: float = 1e-5
