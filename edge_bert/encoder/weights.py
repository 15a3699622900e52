"""The encoder in numbers: its sizes, and its weights under one set of names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_bert.records.checkpoint import FloatArray, Head


@dataclass(frozen=True)
class EncoderShape:
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
class MobileBertShape:
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
class Gpt2Shape:
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


@dataclass(frozen=True)
class EncoderWeights:
    """An encoder's weights under our names, whatever the checkpoint calls them.

    `arrays` holds `embeddings.{word,position,token_type}`, `embeddings.norm.{gamma,beta}`, where
    there is one `embeddings.projection.{kernel,bias}`, which reads that LayerNorm, per layer
    `layer.{i}.{query,key,value,attention_output,ffn_in,ffn_out}.{kernel,bias}` with kernels
    as [in, out], `layer.{i}.{attention_norm,ffn_norm}.{gamma,beta}`, and `head.{i}.{kernel,bias}`.
    `head_activations` are those of the dense layers of a classification head.
    """

    shape: EncoderShape
    arrays: Mapping[str, FloatArray]
    head: Head
    head_activations: tuple[str, ...]
    input_names: tuple[str, ...]
    output_name: str

    @property
    def first_alike(self) -> tuple[int, ...]:
        """For each layer the first one with the very same arrays: itself, but in ALBERT."""
        firsts: list[int] = []
        for index in range(self.shape.layers):
            alike = (first for first in dict.fromkeys(firsts) if self._same(first, index))
            firsts.append(next(alike, index))
        return tuple(firsts)

    def _same(self, first: int, second: int) -> bool:
        one, other = f"layer.{first}.", f"layer.{second}."
        names = [name.removeprefix(one) for name in self.arrays if name.startswith(one)]
        return all(self.arrays[one + name] is self.arrays[other + name] for name in names)


@dataclass(frozen=True)
class OtherWeights:
    """The weights of a model whose layers are not BERT's, under the names of its Keras model.

    `architecture` is the model type that config.json names.
    """

    architecture: str
    shape: MobileBertShape | Gpt2Shape
    arrays: Mapping[str, FloatArray]
    head: Head
    head_activations: tuple[str, ...]
    input_names: tuple[str, ...]
    output_name: str
