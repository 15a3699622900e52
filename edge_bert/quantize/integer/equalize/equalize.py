"""The encoder's weights after all rewrites: what the integer graph is built from.

Every LayerNorm has a migration: its input arrives as `migration * s`, channel by channel. The
multipliers after it (`to_input` for the matrices that read it, `to_residual` for the sum that
follows) carry gamma and the change to the next migration; beta is folded into biases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import DenseWeights, EncoderWeights, LayerNormWeights, LayerWeights
from edge_bert.quantize.integer.equalize.smoothing import (
    balance_peaks,
    equalize_peaks,
    exact_factors,
    smooth_channels,
)
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks, LayerPeaks, NormPeaks
from edge_bert.quantize.integer.statistics.split_layout import OutlierSplit, SplitLayout
from edge_bert.records.checkpoint import FloatArray

OUTLIER_NEURON = 1.1  # times the 98th percentile of the neurons' peaks


@dataclass(frozen=True)
class NormWeights:
    """A LayerNorm over an input of `migration`; `variances` are those of the calibration tokens.

    `migration`, `to_input` and `to_residual` have an entry for each of the `columns`.
    """

    columns: SplitLayout
    migration: FloatArray
    variances: FloatArray
    to_input: FloatArray
    to_residual: FloatArray


@dataclass(frozen=True)
class EqualizedLayer:
    """One transformer layer. `ffn` holds its neurons in groups, outliers apart."""

    query: DenseWeights
    key: DenseWeights
    value: DenseWeights
    output: DenseWeights
    attention_norm: NormWeights
    ffn: tuple[tuple[DenseWeights, DenseWeights], ...]
    ffn_norm: NormWeights


@dataclass(frozen=True)
class Projection:
    """What takes narrow embeddings to the residual stream, which it gives as the first LayerNorm
    of layer 0 wants it; `to_input` is the multiplier for the matrices that read it too."""

    dense: DenseWeights
    to_input: FloatArray


@dataclass(frozen=True)
class EqualizedEncoder:
    """A whole encoder after the rewrites; `output_scale` undoes the migration of its output.

    The tables and what the matrices give to the residual stream have no mean over channels.
    """

    word: FloatArray
    position: FloatArray
    token_type: FloatArray | None
    embedding_norm: NormWeights
    blocks: tuple[EqualizedLayer, ...]
    output_beta: FloatArray
    output_scale: FloatArray
    head: tuple[DenseWeights, ...]
    projection: Projection | None = None


@dataclass(frozen=True)
class _Stream:
    """What a LayerNorm hands on: the migrations that its two readers see, and its beta."""

    input: FloatArray
    residual: FloatArray
    beta: FloatArray


def equalize_encoder(weights: EncoderWeights, peaks: ChannelPeaks) -> EqualizedEncoder:
    """All rewrites in one walk along the residual stream."""
    tables, columns = weights.embeddings, peaks.split.columns
    scale = _stream_scale(peaks.embedding_norm)
    projection = None
    if tables.projection is None:
        first = weights.layers[0].query.kernel
        embedding_norm, stream = _norm(
            tables.norm, peaks.embedding_norm, columns, (scale, _next_scale(peaks, 0)), first
        )
    else:
        embedding_norm, projection, stream = _project(weights, tables.projection, peaks, scale)
    blocks = []
    for index in range(weights.config.layers):
        block, stream = _layer(weights, peaks, index, stream)
        blocks.append(block)

    def table(rows: FloatArray) -> FloatArray:
        return embedding_norm.columns.without_bursts(_centred(rows)) * scale

    # The first type goes into the words, so that type 0 adds exactly nothing.
    word, types = tables.word, tables.token_type
    if types is not None:
        word, types = word + types[0], types - types[0]
    return EqualizedEncoder(
        word=table(word),
        position=table(tables.position),
        token_type=None if types is None else table(types),
        embedding_norm=embedding_norm,
        blocks=tuple(blocks),
        output_beta=columns.without_bursts(stream.beta) * stream.residual,
        output_scale=1.0 / stream.residual,
        head=_head(weights, columns, stream),
        projection=projection,
    )


def _project(
    weights: EncoderWeights, projection: DenseWeights, peaks: ChannelPeaks, scale: FloatArray
) -> tuple[NormWeights, Projection, _Stream]:
    """The LayerNorm of narrow embeddings, which nothing but the projection reads."""
    narrow, wide = SplitLayout(len(scale)), peaks.split.columns
    norm, norm_peaks = weights.embeddings.norm, peaks.embedding_norm
    target = smooth_channels(norm_peaks.scaled.magnitudes, projection.kernel)
    factors = exact_factors(norm.gamma, scale, target)
    variances = np.concatenate(norm_peaks.variances)
    equalized = NormWeights(narrow, scale, variances, factors.vector, factors.vector)
    residual = _next_scale(peaks, 0)
    narrow_stream = _Stream(input=factors.result, residual=residual, beta=norm.beta)
    dense = _written(wide, _reading(projection, narrow, narrow_stream))
    reader = wide.read(weights.layers[0].query.kernel)
    target = smooth_channels(peaks.projection.magnitudes, reader)
    to_input = exact_factors(np.ones_like(residual), residual, target)
    stream = _Stream(to_input.result, residual, beta=np.zeros(wide.hidden, np.float32))
    return equalized, Projection(_scaled(dense, residual), to_input.vector), stream


def _written(columns: SplitLayout, dense: DenseWeights) -> DenseWeights:
    """A matrix that writes channels as one that writes columns, and no burst."""
    return DenseWeights(columns.without_bursts(dense.kernel), columns.without_bursts(dense.bias))


def _stream_scale(peaks: NormPeaks) -> FloatArray:
    """The channel scale for the input of a LayerNorm that also suits what it gives."""
    centred, unit = equalize_peaks(peaks.centred.magnitudes), equalize_peaks(peaks.unit.magnitudes)
    return np.minimum(centred, unit)


def _next_scale(peaks: ChannelPeaks, layer: int) -> FloatArray:
    """The channel scale of the residual stream that enters a layer, or leaves the last one."""
    if layer == len(peaks.layers):
        return equalize_peaks(peaks.output.magnitudes)
    return _stream_scale(peaks.layers[layer].attention_norm)


def _norm(
    norm: LayerNormWeights,
    peaks: NormPeaks,
    columns: SplitLayout,
    scales: tuple[FloatArray, FloatArray],
    reader: FloatArray | None,
) -> tuple[NormWeights, _Stream]:
    """A LayerNorm between two channel `scales`; `reader` is the first kernel behind it, if any."""
    scale, next_scale = scales
    gamma = columns.copied(norm.gamma)
    residual = exact_factors(gamma, scale, next_scale)
    target = np.ones_like(gamma)
    if reader is not None:
        target = smooth_channels(peaks.scaled.magnitudes, columns.read(reader))
    to_input = exact_factors(gamma, scale, target)
    equalized = NormWeights(
        columns=columns,
        migration=scale,
        variances=np.concatenate(peaks.variances),
        to_input=to_input.vector,
        to_residual=residual.vector,
    )
    return equalized, _Stream(input=to_input.result, residual=residual.result, beta=norm.beta)


def _layer(
    weights: EncoderWeights, peaks: ChannelPeaks, index: int, stream: _Stream
) -> tuple[EqualizedLayer, _Stream]:
    layer, layer_peaks, columns = weights.layers[index], peaks.layers[index], peaks.split.columns
    following = weights.layers[index + 1 : index + 2]
    query, key, value = _attention_inputs(weights, layer, layer_peaks, columns, stream)
    output = _attention_output(layer, layer_peaks, columns, stream)
    attention_norm, middle = _norm(
        layer.attention_norm,
        layer_peaks.attention_norm,
        columns,
        (stream.residual, _stream_scale(layer_peaks.ffn_norm)),
        layer.ffn_in.kernel,
    )
    ffn = _ffn(layer, layer_peaks, _falling(layer, index, peaks.split, middle), columns, middle)
    ffn_norm, stream = _norm(
        layer.ffn_norm,
        layer_peaks.ffn_norm,
        columns,
        (middle.residual, _next_scale(peaks, index + 1)),
        following[0].query.kernel if following else None,
    )
    return EqualizedLayer(query, key, value, output, attention_norm, ffn, ffn_norm), stream


def _attention_inputs(
    weights: EncoderWeights,
    layer: LayerWeights,
    peaks: LayerPeaks,
    columns: SplitLayout,
    stream: _Stream,
) -> tuple[DenseWeights, DenseWeights, DenseWeights]:
    """Queries and keys share their peaks, values are made alike; 1/sqrt(d) goes into queries."""
    share = balance_peaks(peaks.query.magnitudes, peaks.key.magnitudes)
    root = np.float32(weights.config.head_size**-0.5)
    return (
        _scaled(_reading(layer.query, columns, stream), share * root),
        _scaled(_reading(layer.key, columns, stream), 1.0 / share),
        _scaled(_reading(layer.value, columns, stream), _value_scale(peaks)),
    )


def _attention_output(
    layer: LayerWeights, peaks: LayerPeaks, columns: SplitLayout, stream: _Stream
) -> DenseWeights:
    kernel = layer.attention_output.kernel / _value_scale(peaks)[:, None]
    bias = layer.attention_output.bias + stream.beta
    written = _written(columns, DenseWeights(_centred(kernel), _centred(bias)))
    return _scaled(written, stream.residual)


def _value_scale(peaks: LayerPeaks) -> FloatArray:
    return equalize_peaks(peaks.value.magnitudes, 0.5)


def _ffn(
    layer: LayerWeights,
    peaks: LayerPeaks,
    down: DenseWeights,
    columns: SplitLayout,
    stream: _Stream,
) -> tuple[tuple[DenseWeights, DenseWeights], ...]:
    """The feed-forward half; neurons whose peaks stand far out get matrices of their own."""
    up, magnitudes = _reading(layer.ffn_in, columns, stream), peaks.neurons.magnitudes
    outliers = magnitudes > OUTLIER_NEURON * np.quantile(magnitudes, 0.98)
    groups = [~outliers, outliers] if outliers.any() else [~outliers]
    return tuple(
        (
            DenseWeights(up.kernel[:, group], up.bias[group]),
            DenseWeights(down.kernel[group], np.zeros_like(down.bias) if index else down.bias),
        )
        for index, group in enumerate(groups)
    )


def _falling(layer: LayerWeights, index: int, split: OutlierSplit, stream: _Stream) -> DenseWeights:
    """The matrix behind the neurons, and beta: no mean, and bursts in columns of their own."""
    columns, kernel = split.columns, layer.ffn_out.kernel
    bias = layer.ffn_out.bias + stream.beta
    dense = DenseWeights(
        columns.with_bursts(_centred(kernel), split.kernel(index, kernel)),
        columns.with_bursts(_centred(bias), -split.usual[index]),
    )
    return _scaled(dense, stream.residual)


def _centred(rows: FloatArray) -> FloatArray:
    """Without the mean over channels, which the LayerNorm behind takes off anyway."""
    return np.asarray(rows - rows.mean(axis=-1, keepdims=True), np.float32)


def _reading(dense: DenseWeights, columns: SplitLayout, stream: _Stream) -> DenseWeights:
    """A matrix that reads a LayerNorm's output: undoes its channel scale, takes its beta."""
    kernel = columns.read(dense.kernel) / stream.input[:, None]
    return DenseWeights(kernel, dense.bias + stream.beta @ dense.kernel)


def _scaled(dense: DenseWeights, factor: FloatArray) -> DenseWeights:
    """The same matrix with its outputs multiplied by `factor`."""
    return DenseWeights(dense.kernel * factor, dense.bias * factor)


def _head(
    weights: EncoderWeights, columns: SplitLayout, stream: _Stream
) -> tuple[DenseWeights, ...]:
    """The dense layers of a classifier; the first reads the last LayerNorm."""
    first = tuple(_reading(dense, columns, stream) for dense in weights.head_layers[:1])
    return first + weights.head_layers[1:]
