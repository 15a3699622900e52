"""What an ONNX encoder is built from: the plain weights, or those after the rewrites for integers.

In both forms the residual stream is the model's own. What differs is where per-channel factors
sit: after the rewrites, LayerNorm gives the matrices an input that int8 can hold, and one more
multiplication brings it back for the residual.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import DenseWeights, EncoderWeights, LayerNormWeights
from edge_bert.quantize.integer.equalize.equalize import (
    EqualizedEncoder,
    EqualizedLayer,
    NormWeights,
)
from edge_bert.records.checkpoint import FloatArray

PROJECTION = "embeddings.projection"


@dataclass(frozen=True)
class OnnxLayerNorm:
    """LayerNormalization's scale and bias, and what its output is multiplied with to become the
    residual (None: nothing)."""

    scale: FloatArray
    bias: FloatArray
    to_residual: FloatArray | None = None


@dataclass(frozen=True)
class OnnxLayer:
    """One transformer layer. `ffn` holds its neurons in groups, outliers apart."""

    query: DenseWeights
    key: DenseWeights
    value: DenseWeights
    output: DenseWeights
    attention_norm: OnnxLayerNorm
    ffn: tuple[tuple[DenseWeights, DenseWeights], ...]
    ffn_norm: OnnxLayerNorm


@dataclass(frozen=True)
class OnnxProjection:
    """What takes narrow embeddings to the width of the layers, and what its output is multiplied
    with for the matrices that read it (None: nothing)."""

    dense: DenseWeights
    to_input: FloatArray | None = None


@dataclass(frozen=True)
class Parts:
    """A whole encoder; `embedding_norm` stands on the sum of the tables."""

    word: FloatArray
    position: FloatArray
    token_type: FloatArray | None
    embedding_norm: OnnxLayerNorm
    layers: tuple[OnnxLayer, ...]
    head: tuple[DenseWeights, ...]
    projection: OnnxProjection | None = None


def plain_parts(weights: EncoderWeights) -> Parts:
    """The encoder as it is; 1/sqrt(d) goes into the queries."""

    def norm(norm: LayerNormWeights) -> OnnxLayerNorm:
        return OnnxLayerNorm(norm.gamma, norm.beta)

    def query(dense: DenseWeights) -> DenseWeights:
        scale = np.float32(weights.config.head_size**-0.5)
        return DenseWeights(dense.kernel * scale, dense.bias * scale)

    tables = weights.embeddings
    return Parts(
        word=tables.word,
        position=tables.position,
        token_type=tables.token_type,
        embedding_norm=norm(tables.norm),
        layers=tuple(
            OnnxLayer(
                query=query(layer.query),
                key=layer.key,
                value=layer.value,
                output=layer.attention_output,
                attention_norm=norm(layer.attention_norm),
                ffn=((layer.ffn_in, layer.ffn_out),),
                ffn_norm=norm(layer.ffn_norm),
            )
            for layer in weights.layers
        ),
        head=weights.head_layers,
        projection=None if tables.projection is None else OnnxProjection(tables.projection),
    )


def smoothed_parts(weights: EncoderWeights, rewritten: EqualizedEncoder) -> Parts:
    """The encoder after the rewrites, its residual stream brought back to the model's own scale.

    The last LayerNorm is the plain one: what reads it, pooling or a head, stays float.
    """
    blocks = rewritten.blocks
    following = [
        *(norm.migration for block in blocks for norm in (block.attention_norm, block.ffn_norm)),
        1.0 / rewritten.output_scale,
    ]
    norms = [rewritten.embedding_norm]
    if rewritten.projection is not None:
        following[0] = norms[0].migration  # nothing takes it as a residual
    norms += [norm for block in blocks for norm in (block.attention_norm, block.ffn_norm)]
    found = [_smooth(norm, after) for norm, after in zip(norms, following, strict=True)]
    last = weights.layers[-1].ffn_norm
    found[-1] = OnnxLayerNorm(last.gamma, last.beta)
    start = rewritten.embedding_norm.migration
    types = rewritten.token_type
    first = None
    if rewritten.projection is not None:
        migration = blocks[0].attention_norm.migration
        made = _home(rewritten.projection.dense, migration)
        first = OnnxProjection(made, rewritten.projection.to_input * migration)
        found[0] = dataclasses.replace(found[0], to_residual=None)
    return Parts(
        word=rewritten.word / start,
        position=rewritten.position / start,
        token_type=None if types is None else types / start,
        embedding_norm=found[0],
        layers=tuple(
            _layer(block, found[2 * index + 1], found[2 * index + 2])
            for index, block in enumerate(blocks)
        ),
        head=weights.head_layers,
        projection=first,
    )


def _smooth(norm: NormWeights, following: FloatArray) -> OnnxLayerNorm:
    """The migrated norm on an unmigrated stream; beta is in the biases of what reads it.

    A channel whose gamma is 0 is 0 for both readers.
    """
    scale = norm.migration * norm.to_input
    live = scale != 0
    residual = norm.migration * norm.to_residual / following
    factor = np.where(live, residual / np.where(live, scale, 1.0), 0.0)
    return OnnxLayerNorm(scale, np.zeros_like(scale), factor.astype(np.float32))


def _home(dense: DenseWeights, migration: FloatArray) -> DenseWeights:
    """A matrix whose output has no migration any more."""
    return DenseWeights(dense.kernel / migration, dense.bias / migration)


def _layer(
    block: EqualizedLayer, attention_norm: OnnxLayerNorm, ffn_norm: OnnxLayerNorm
) -> OnnxLayer:
    return OnnxLayer(
        query=block.query,
        key=block.key,
        value=block.value,
        output=_home(block.output, block.attention_norm.migration),
        attention_norm=attention_norm,
        ffn=tuple((rise, _home(fall, block.ffn_norm.migration)) for rise, fall in block.ffn),
        ffn_norm=ffn_norm,
    )
