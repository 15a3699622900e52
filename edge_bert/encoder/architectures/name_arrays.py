"""An encoder's weights under the names that transformers gives them: the way back to a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edge_bert.encoder.architectures.architecture import Architecture
from edge_bert.encoder.config import MatrixRole
from edge_bert.encoder.weights import (
    DenseWeights,
    EmbeddingWeights,
    EncoderWeights,
    LayerNormWeights,
    LayerWeights,
    Sublayer,
)
from edge_bert.records.checkpoint import FloatArray

Named = Iterator[tuple[str, FloatArray]]


def name_encoder_arrays(
    weights: EncoderWeights, architecture: Architecture, config: Mapping[str, Any]
) -> dict[str, FloatArray]:
    """The arrays of tables and layers, without the architecture's prefix; none of the head.

    `config` is config.json, which may say how layers are numbered. What `read_embeddings` and
    `read_layers` read of the result are the same weights.
    """
    arrays = dict(_name_embeddings(weights.embeddings, architecture))
    for index, layer in enumerate(weights.layers):
        arrays |= _name_layer(layer, architecture, architecture.layer_number(config, index))
    return arrays | dict(_name_relative_biases(weights, architecture))


def name_dense(name: str, dense: DenseWeights, *, bias: bool = True) -> Named:
    """A torch.nn.Linear, which keeps its matrix as [out, in]."""
    yield f"{name}.weight", np.ascontiguousarray(dense.kernel.T)
    if bias:
        yield f"{name}.bias", dense.bias


def name_norm(name: str, norm: LayerNormWeights) -> Named:
    """A LayerNorm."""
    yield f"{name}.weight", norm.gamma
    yield f"{name}.bias", norm.beta


def _name_embeddings(embeddings: EmbeddingWeights, architecture: Architecture) -> Named:
    names = architecture.embedding_names
    yield f"{names.word}.weight", embeddings.word
    yield f"{names.position}.weight", embeddings.position
    if embeddings.token_type is not None:
        yield f"{names.segment}.weight", embeddings.token_type
    yield from name_norm(names.norm, embeddings.norm)
    if embeddings.projection is not None:
        yield from name_dense(names.projection, embeddings.projection)


def _name_relative_biases(weights: EncoderWeights, architecture: Architecture) -> Named:
    """The table of all layers, or one for each layer where pruning left them different heads."""
    shared = len(set(weights.tied_biases)) == 1
    for index, layer in enumerate(weights.layers[:1] if shared else weights.layers):
        if layer.relative_bias is not None:
            name = architecture.relative_bias if shared else architecture.own_relative_bias(index)
            yield f"{name}.weight", layer.relative_bias


def _name_layer(
    layer: LayerWeights, architecture: Architecture, number: str
) -> dict[str, FloatArray]:
    names, arrays = architecture.layer_names, dict[str, FloatArray]()
    for role in MatrixRole:
        file_name: str = getattr(names, role.value)
        arrays |= name_dense(file_name.format(i=number), layer.matrix(role))
    for sublayer, file_name in (
        (Sublayer.ATTENTION, names.attention_norm),
        (Sublayer.FFN, names.ffn_norm),
    ):
        arrays |= name_norm(file_name.format(i=number), layer.norm(sublayer))
    return arrays
