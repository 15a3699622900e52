"""All rewrites of an encoder, in one walk along the residual stream; no float result changes."""

from __future__ import annotations

import numpy as np

from edge_bert.encoder.weights import DenseWeights, EncoderWeights, HeadDense
from edge_bert.quantize.integer.equalize.equalized_encoder import (
    EqualizedEncoder,
    EqualizedLayer,
    EqualizedNorm,
    EqualizedProjection,
)
from edge_bert.quantize.integer.equalize.residual_stream import (
    ResidualStream,
    equalize_norm,
    next_scale,
    norm_scale,
    read_stream,
    remove_mean,
    scale_outputs,
    write_regular,
)
from edge_bert.quantize.integer.equalize.smoothing import round_factors, smooth_channels
from edge_bert.quantize.integer.equalize.sublayers import (
    equalize_attention_inputs,
    equalize_attention_output,
    equalize_ffn,
)
from edge_bert.quantize.integer.head_support import require_calibrated_head
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.quantize.integer.statistics.split_layout import SplitLayout
from edge_bert.records.checkpoint import FloatArray, Task


def equalize_encoder(weights: EncoderWeights, peaks: ChannelPeaks) -> EqualizedEncoder:
    """The encoder after all rewrites, by the channel peaks of its calibration sentences."""
    require_calibrated_head(weights)
    tables, layout = weights.embeddings, peaks.split.layout
    scale = norm_scale(peaks.embedding_norm)
    projection = None
    if tables.projection is None:
        reader = weights.layers[0].query.kernel
        scales = scale, next_scale(peaks, 0)
        embedding_norm, stream = equalize_norm(
            tables.norm, peaks.embedding_norm, layout, scales, reader
        )
    else:
        embedding_norm, projection, stream = _equalize_projection(
            weights, tables.projection, peaks, scale
        )
    layers = []
    for index in range(weights.config.layers):
        layer, stream = _equalize_layer(weights, peaks, index, stream)
        layers.append(layer)

    def equalize_table(rows: FloatArray) -> FloatArray:
        return embedding_norm.layout.expand_regular(remove_mean(rows)) * scale

    # The first type goes into the words, so that type 0 adds exactly nothing.
    word, types = tables.word, tables.token_type
    if types is not None:
        word, types = word + types[0], types - types[0]
    return EqualizedEncoder(
        word=equalize_table(word),
        position=equalize_table(tables.position),
        token_type=None if types is None else equalize_table(types),
        embedding_norm=embedding_norm,
        layers=tuple(layers),
        output_beta=layout.expand_regular(stream.beta) * stream.residual,
        output_scale=1.0 / stream.residual,
        head=equalize_head(weights, stream),
        projection=projection,
    )


def _equalize_projection(
    weights: EncoderWeights, projection: DenseWeights, peaks: ChannelPeaks, scale: FloatArray
) -> tuple[EqualizedNorm, EqualizedProjection, ResidualStream]:
    """The LayerNorm of narrow embeddings, which nothing but the projection reads."""
    narrow, wide = SplitLayout(len(scale)), peaks.split.layout
    norm, norm_peaks = weights.embeddings.norm, peaks.embedding_norm
    target = smooth_channels(norm_peaks.scaled.magnitudes, projection.kernel)
    factors = round_factors(norm.gamma, scale, target)
    variances = np.concatenate(norm_peaks.variances)
    equalized = EqualizedNorm(narrow, scale, variances, factors.factors, factors.factors)
    residual = next_scale(peaks, 0)
    narrow_stream = ResidualStream(narrow, factors.scale, residual, norm.beta)
    dense = write_regular(read_stream(projection, narrow_stream), wide)
    reader = wide.expand_kernel(weights.layers[0].query.kernel)
    target = smooth_channels(peaks.projection.magnitudes, reader)
    to_input = round_factors(np.ones_like(residual), residual, target)
    stream = ResidualStream(wide, to_input.scale, residual, np.zeros(wide.hidden, np.float32))
    return equalized, EqualizedProjection(scale_outputs(dense, residual), to_input.factors), stream


def _equalize_layer(
    weights: EncoderWeights, peaks: ChannelPeaks, index: int, stream: ResidualStream
) -> tuple[EqualizedLayer, ResidualStream]:
    layer, layer_peaks, layout = weights.layers[index], peaks.layers[index], peaks.split.layout
    following = weights.layers[index + 1 : index + 2]
    query, key, value = equalize_attention_inputs(
        layer, layer_peaks, stream, weights.config.head_size
    )
    attention_output = equalize_attention_output(layer, layer_peaks, stream)
    attention_norm, stream = equalize_norm(
        layer.attention_norm,
        layer_peaks.attention_norm,
        layout,
        (stream.residual, norm_scale(layer_peaks.ffn_norm)),
        layer.ffn_in.kernel,
    )
    ffn = equalize_ffn(layer, layer_peaks, peaks.split, index, stream)
    ffn_norm, stream = equalize_norm(
        layer.ffn_norm,
        layer_peaks.ffn_norm,
        layout,
        (stream.residual, next_scale(peaks, index + 1)),
        following[0].query.kernel if following else None,
    )
    equalized = EqualizedLayer(
        query=query,
        key=key,
        value=value,
        attention_output=attention_output,
        attention_norm=attention_norm,
        ffn=ffn,
        ffn_norm=ffn_norm,
        relative_bias=layer.relative_bias,
    )
    return equalized, stream


def equalize_head(weights: EncoderWeights, stream: ResidualStream) -> tuple[HeadDense, ...]:
    """The dense layers of a classifier; the first reads the last LayerNorm.

    None for an embedding, whose layers read what is pooled.
    """
    if weights.head.task in (Task.EMBEDDING, Task.TOKEN_EMBEDDING):
        return ()
    first, *rest = (layer for layer in weights.head_layers if isinstance(layer, HeadDense))
    read = read_stream(first, stream)
    return HeadDense(read.kernel, read.bias, first.activation), *rest
