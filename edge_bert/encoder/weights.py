"""The encoder's weights, layer by layer, whatever names the checkpoint gives them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.config import (
    EncoderConfig,
    Gpt2Config,
    MatrixRole,
    MobileBertConfig,
    ModernBertConfig,
    NomicBertConfig,
)
from edge_bert.records.checkpoint import FloatArray, Head


class Sublayer(enum.Enum):
    """The two halves of a transformer layer (Vaswani et al. 2017), each ended by a LayerNorm."""

    ATTENTION = "attention"
    FFN = "ffn"


@dataclass(frozen=True)
class DenseWeights:
    """A matrix [in, out] and a bias [out]."""

    kernel: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class LayerNormWeights:
    """The scale and the shift of a LayerNorm, [channels] each."""

    gamma: FloatArray
    beta: FloatArray


@dataclass(frozen=True)
class HeadDense(DenseWeights):
    """A dense layer of a head, with its activation."""

    activation: str = "linear"


@dataclass(frozen=True)
class HeadNorm(LayerNormWeights):
    """A LayerNorm of a head."""

    epsilon: float = 1e-5


@dataclass(frozen=True)
class HeadUnit:
    """Each row divided by its length."""


HeadLayer = HeadDense | HeadNorm | HeadUnit


@dataclass(frozen=True)
class EmbeddingWeights:
    """The tables [rows, width], the LayerNorm on their sum, and the projection that reads it.

    `token_type` and `projection` are None where the model has none.
    """

    word: FloatArray
    position: FloatArray
    token_type: FloatArray | None
    norm: LayerNormWeights
    projection: DenseWeights | None


@dataclass(frozen=True)
class LayerWeights:
    """One transformer layer: a matrix for every MatrixRole, and a LayerNorm for each sublayer.

    `relative_bias` is the table [buckets, heads] of relative_bias.py, None where there is none.
    """

    query: DenseWeights
    key: DenseWeights
    value: DenseWeights
    attention_output: DenseWeights
    attention_norm: LayerNormWeights
    ffn_in: DenseWeights
    ffn_out: DenseWeights
    ffn_norm: LayerNormWeights
    relative_bias: FloatArray | None = None

    def matrix(self, role: MatrixRole) -> DenseWeights:
        """The matrix of a role."""
        dense: DenseWeights = getattr(self, role.value)
        return dense

    def output(self, sublayer: Sublayer) -> DenseWeights:
        """The matrix that ends a sublayer."""
        return self.attention_output if sublayer is Sublayer.ATTENTION else self.ffn_out

    def norm(self, sublayer: Sublayer) -> LayerNormWeights:
        """The LayerNorm that ends a sublayer."""
        return self.attention_norm if sublayer is Sublayer.ATTENTION else self.ffn_norm

    def with_output(self, sublayer: Sublayer, dense: DenseWeights) -> LayerWeights:
        """The layer with another matrix at the end of a sublayer."""
        if sublayer is Sublayer.ATTENTION:
            return dataclasses.replace(self, attention_output=dense)
        return dataclasses.replace(self, ffn_out=dense)

    def with_norm(self, sublayer: Sublayer, norm: LayerNormWeights) -> LayerWeights:
        """The layer with another LayerNorm at the end of a sublayer."""
        if sublayer is Sublayer.ATTENTION:
            return dataclasses.replace(self, attention_norm=norm)
        return dataclasses.replace(self, ffn_norm=norm)


@dataclass(frozen=True)
class ExitWeights:
    """A head that answers after `after` layers, from the rows that the last of them gives.

    `agreement` [hidden, 1] reads the pooled rows of an embedding: its sigmoid predicts the cosine
    between this exit's vector and that of the whole model. None where a class answers.
    """

    after: int
    head: Head
    head_layers: tuple[HeadLayer, ...]
    agreement: DenseWeights | None = None


@dataclass(frozen=True)
class EncoderWeights:
    """An encoder: `head_layers` stand between pooling (or the tokens) and the output.

    `exits` stand in rising order of the layers before them.
    """

    config: EncoderConfig
    embeddings: EmbeddingWeights
    layers: tuple[LayerWeights, ...]
    head: Head
    head_layers: tuple[HeadLayer, ...]
    input_names: tuple[str, ...]
    output_name: str
    exits: tuple[ExitWeights, ...] = ()

    @property
    def arrays(self) -> dict[str, FloatArray]:
        """All arrays by name: `embeddings.word`, `layer.0.query.kernel`, `head.0.bias`,
        `exit.0.head.0.kernel`, `exit.0.agreement.kernel`."""
        return dict(
            [
                *_named_arrays("embeddings", self.embeddings),
                *_numbered_arrays("layer", self.layers),
                *_numbered_arrays("head", self.head_layers),
                *(pair for index, x in enumerate(self.exits) for pair in _exit_arrays(index, x)),
            ]
        )

    @property
    def tied_layers(self) -> tuple[int, ...]:
        """For each layer the first one with the very same arrays: itself, but in ALBERT."""
        identities = [tuple(id(array) for _, array in _named_arrays("", x)) for x in self.layers]
        return tuple(identities.index(identity) for identity in identities)

    @property
    def tied_biases(self) -> tuple[int, ...]:
        """For each layer the first one with the very same relative bias (or, like it, none)."""
        identities = [id(layer.relative_bias) for layer in self.layers]
        return tuple(identities.index(identity) for identity in identities)

    @property
    def shares_layers(self) -> bool:
        """Whether any two layers have the same arrays, so that the file holds them once."""
        return len(set(self.tied_layers)) < len(self.layers)

    @property
    def output_width(self) -> int:
        """The channels of the output."""
        return head_width(self.head, self.head_layers, self.config.hidden)

    def with_layers(self, layers: Sequence[LayerWeights]) -> EncoderWeights:
        """The encoder with `layers`; its config has their numbers of heads and neurons."""
        size = self.config.head_size
        config = dataclasses.replace(
            self.config,
            heads=tuple(len(layer.query.bias) // size for layer in layers),
            ffn=tuple(len(layer.ffn_in.bias) for layer in layers),
        )
        return dataclasses.replace(self, config=config, layers=tuple(layers))

    def with_layer(self, index: int, layer: LayerWeights) -> EncoderWeights:
        """The encoder with another layer `index`."""
        return self.with_layers([*self.layers[:index], layer, *self.layers[index + 1 :]])


def name_head_arrays(layers: Sequence[HeadLayer]) -> dict[str, FloatArray]:
    """The arrays of a head's layers by name, as in `EncoderWeights.arrays`."""
    return dict(_numbered_arrays("head", layers))


def head_width(head: Head, layers: Sequence[HeadLayer], hidden: int) -> int:
    """The channels that a head gives on an encoder of `hidden` channels."""
    widths = [len(layer.bias) for layer in layers if isinstance(layer, HeadDense)]
    pooled = hidden if head.gives_tokens else hidden * len(head.poolings)
    width = widths[-1] if widths else pooled
    return min(width, head.dimensions or width)


def _named_arrays(name: str, weights: Any) -> Iterator[tuple[str, FloatArray]]:
    for field in dataclasses.fields(weights):
        value, path = getattr(weights, field.name), f"{name}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from _named_arrays(path, value)
        elif isinstance(value, np.ndarray):
            yield path, value


def _exit_arrays(index: int, exit_weights: ExitWeights) -> Iterator[tuple[str, FloatArray]]:
    yield from _numbered_arrays(f"exit.{index}.head", exit_weights.head_layers)
    if exit_weights.agreement is not None:
        yield from _named_arrays(f"exit.{index}.agreement", exit_weights.agreement)


def _numbered_arrays(name: str, weights: Sequence[Any]) -> Iterator[tuple[str, FloatArray]]:
    for index, item in enumerate(weights):
        yield from _named_arrays(f"{name}.{index}", item)


@dataclass(frozen=True)
class CustomWeights:
    """The weights of a model whose layers are not BERT's, under the names of its Keras model.

    `architecture` is the model type that config.json names. `arrays` has those of the head too.
    """

    architecture: str
    config: MobileBertConfig | Gpt2Config | ModernBertConfig | NomicBertConfig
    arrays: Mapping[str, FloatArray]
    head: Head
    head_layers: tuple[HeadLayer, ...]
    input_names: tuple[str, ...]
    output_name: str
