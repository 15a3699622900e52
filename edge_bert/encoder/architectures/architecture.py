"""What an architecture says about itself so that the one encoder can be built from its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_bert.encoder.architectures.weight_reader import WeightReader
from edge_bert.encoder.config import DenseHead, EncoderConfig, MatrixRole
from edge_bert.encoder.weights import DenseWeights, EmbeddingWeights, LayerWeights
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, FloatArray


@dataclass(frozen=True)
class EmbeddingNames:
    """The file's names of the embeddings' modules, without `.weight` and `.bias`.

    `segment` is the token-type table, as the BERT paper calls it.
    """

    word: str
    position: str
    norm: str
    segment: str = ""
    projection: str = ""


@dataclass(frozen=True)
class LayerNames:
    """The file's names of a layer's modules, without `.weight` and `.bias`; `{i}` is the layer."""

    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    ffn_in: str
    ffn_out: str
    ffn_norm: str


@dataclass(frozen=True)
class Architecture:
    """One family of models: how its config.json is read, and where its files keep their weights.

    `prefix` may stand before every encoder weight. `layer_number` writes the number of a layer as
    the file does, in place of `{i}`. `relative_bias` names the table that all layers add to their
    attention scores, where there is one.
    """

    name: str
    prefix: str
    read_config: Callable[[Mapping[str, Any]], EncoderConfig]
    embedding_names: EmbeddingNames
    layer_names: LayerNames
    head: tuple[DenseHead, ...]
    layer_number: Callable[[Mapping[str, Any], int], str] = lambda _, index: str(index)
    relative_bias: str = ""

    def own_relative_bias(self, layer: int) -> str:
        """The table of one layer, in our own folders whose layers have different heads."""
        return f"{self.relative_bias}.{layer}"


def read_embeddings(
    checkpoint: Checkpoint, architecture: Architecture, config: EncoderConfig
) -> EmbeddingWeights:
    """The tables and what stands on them. Raises ModelError as WeightReader does."""
    reader, names = open_reader(checkpoint, architecture), architecture.embedding_names
    width, types = config.table_width, config.token_types
    return EmbeddingWeights(
        word=reader.table(names.word, config.vocabulary, width),
        position=reader.table(names.position, config.positions, width),
        token_type=reader.table(names.segment, types, width) if types else None,
        norm=reader.norm(names.norm, width),
        projection=(
            reader.dense(names.projection, width, config.hidden) if config.embedding else None
        ),
    )


def read_layers(
    checkpoint: Checkpoint, architecture: Architecture, config: EncoderConfig
) -> tuple[LayerWeights, ...]:
    """The layers; those that share weights in the file are one object.

    Raises ModelError as WeightReader does.
    """
    reader = open_reader(checkpoint, architecture)
    numbers = [
        architecture.layer_number(checkpoint.config, index) for index in range(config.layers)
    ]
    biases = _read_relative_biases(reader, architecture, config)
    layers = {
        number: dataclasses.replace(
            _read_layer(reader, architecture.layer_names, number, config, numbers.index(number)),
            relative_bias=biases[numbers.index(number)],
        )
        for number in dict.fromkeys(numbers)
    }
    return tuple(layers[number] for number in numbers)


def _read_relative_biases(
    reader: WeightReader, architecture: Architecture, config: EncoderConfig
) -> Sequence[FloatArray | None]:
    """For each layer the table [buckets, heads], one object where the file has one for all."""
    buckets = config.relative_buckets
    if not buckets:
        return [None] * config.layers
    if reader.has_table(architecture.own_relative_bias(0)):
        names = map(architecture.own_relative_bias, range(config.layers))
        pairs = zip(names, config.heads, strict=True)
        return [reader.table(name, buckets, heads) for name, heads in pairs]
    if len(set(config.heads)) > 1:
        raise ModelError(
            f"{architecture.relative_bias} is one table for layers with different heads; the model "
            "was written by an edge-bert that lost the others: make it again."
        )
    return [reader.table(architecture.relative_bias, buckets, config.heads[0])] * config.layers


def _read_layer(
    reader: WeightReader, names: LayerNames, number: str, config: EncoderConfig, index: int
) -> LayerWeights:
    def dense(role: MatrixRole) -> DenseWeights:
        name: str = getattr(names, role.value)
        return reader.dense(name.format(i=number), *config.matrix_shape(role, index))

    return LayerWeights(
        query=dense(MatrixRole.QUERY),
        key=dense(MatrixRole.KEY),
        value=dense(MatrixRole.VALUE),
        attention_output=dense(MatrixRole.ATTENTION_OUTPUT),
        attention_norm=reader.norm(names.attention_norm.format(i=number), config.hidden),
        ffn_in=dense(MatrixRole.FFN_IN),
        ffn_out=dense(MatrixRole.FFN_OUT),
        ffn_norm=reader.norm(names.ffn_norm.format(i=number), config.hidden),
    )


def open_reader(checkpoint: Checkpoint, architecture: Architecture) -> WeightReader:
    """The checkpoint's arrays, with and without the architecture's prefix."""
    return WeightReader(checkpoint.weights, architecture.prefix)
