"""What an ONNX encoder is built from: the plain weights, or those after the rewrites for integers.

In both the residual stream is the model's own. What differs is where per-channel factors
sit: after the rewrites, LayerNorm gives the matrices an input that int8 can hold, and one more
multiplication brings it back for the residual.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import DenseWeights, EncoderWeights, HeadLayer, LayerNormWeights
from edge_bert.quantize.integer.equalize.equalized_encoder import (
    EqualizedEncoder,
    EqualizedLayer,
    EqualizedNorm,
    EqualizedProjection,
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
    """One transformer layer. `ffn` holds its neurons in groups, outliers apart.

    `relative_bias` is the table of what is added to the scores, None where there is none.
    """

    query: DenseWeights
    key: DenseWeights
    value: DenseWeights
    output: DenseWeights
    attention_norm: OnnxLayerNorm
    ffn: tuple[tuple[DenseWeights, DenseWeights], ...]
    ffn_norm: OnnxLayerNorm
    relative_bias: FloatArray | None = None


@dataclass(frozen=True)
class OnnxProjection:
    """What takes narrow embeddings to the width of the layers, and what its output is multiplied
    with for the matrices that read it (None: nothing)."""

    dense: DenseWeights
    to_input: FloatArray | None = None


@dataclass(frozen=True)
class Parts:
    """A complete encoder; `embedding_norm` stands on the sum of the tables."""

    word: FloatArray
    position: FloatArray
    token_type: FloatArray | None
    embedding_norm: OnnxLayerNorm
    layers: tuple[OnnxLayer, ...]
    head: tuple[HeadLayer, ...]
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
                relative_bias=layer.relative_bias,
            )
            for layer in weights.layers
        ),
        head=weights.head_layers,
        projection=None if tables.projection is None else OnnxProjection(tables.projection),
    )


def smoothed_parts(weights: EncoderWeights, equalized: EqualizedEncoder) -> Parts:
    """The equalized encoder, its residual stream brought back to the model's own scale.

    The last LayerNorm is the plain one: what reads it, pooling or a head, stays float.
    """
    layer_norms = [
        norm for layer in equalized.layers for norm in (layer.attention_norm, layer.ffn_norm)
    ]
    first = equalized.embedding_norm
    next_scales = [*(norm.channel_scale for norm in layer_norms), 1.0 / equalized.output_scale]
    projection = equalized.projection
    if projection is not None:
        next_scales[0] = first.channel_scale  # nothing takes it as a residual
    norms = [
        _smooth(norm, next_scale)
        for norm, next_scale in zip([first, *layer_norms], next_scales, strict=True)
    ]
    last = weights.layers[-1].ffn_norm
    norms[-1] = OnnxLayerNorm(last.gamma, last.beta)
    if projection is not None:
        norms[0] = dataclasses.replace(norms[0], to_residual=None)
    types = equalized.token_type
    return Parts(
        word=equalized.word / first.channel_scale,
        position=equalized.position / first.channel_scale,
        token_type=None if types is None else types / first.channel_scale,
        embedding_norm=norms[0],
        layers=tuple(
            _unscale_layer(layer, norms[2 * index + 1], norms[2 * index + 2])
            for index, layer in enumerate(equalized.layers)
        ),
        head=weights.head_layers,
        projection=None if projection is None else _unscale_projection(projection, layer_norms[0]),
    )


def _unscale_projection(projection: EqualizedProjection, norm: EqualizedNorm) -> OnnxProjection:
    dense = _unscale(projection.dense, norm.channel_scale)
    return OnnxProjection(dense, projection.to_input * norm.channel_scale)


def _smooth(norm: EqualizedNorm, next_scale: FloatArray) -> OnnxLayerNorm:
    """The smoothed norm on a stream of the model's own scale; beta is in its readers' biases.

    A channel whose gamma is 0 is 0 for both readers.
    """
    scale = norm.channel_scale * norm.to_input
    live = scale != 0
    residual = norm.channel_scale * norm.to_residual / next_scale
    factor = np.where(live, residual / np.where(live, scale, 1.0), 0.0)
    return OnnxLayerNorm(scale, np.zeros_like(scale), factor.astype(np.float32))


def _unscale(dense: DenseWeights, scale: FloatArray) -> DenseWeights:
    """A matrix whose output is no longer multiplied by a channel scale."""
    return DenseWeights(dense.kernel / scale, dense.bias / scale)


def _unscale_layer(
    layer: EqualizedLayer, attention_norm: OnnxLayerNorm, ffn_norm: OnnxLayerNorm
) -> OnnxLayer:
    return OnnxLayer(
        query=layer.query,
        key=layer.key,
        value=layer.value,
        output=_unscale(layer.attention_output, layer.attention_norm.channel_scale),
        attention_norm=attention_norm,
        ffn=tuple(
            (group.up, _unscale(group.down, layer.ffn_norm.channel_scale)) for group in layer.ffn
        ),
        ffn_norm=ffn_norm,
        relative_bias=layer.relative_bias,
    )
