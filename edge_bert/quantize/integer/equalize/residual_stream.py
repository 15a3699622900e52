"""The channel scales of the residual stream, and LayerNorms and matrices between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import DenseWeights, LayerNormWeights
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedNorm
from edge_bert.quantize.integer.equalize.smoothing import (
    equalize_peaks,
    round_factors,
    smooth_channels,
)
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks, NormPeaks
from edge_bert.quantize.integer.statistics.split_layout import SplitLayout
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class ResidualStream:
    """The stream behind a LayerNorm: the channel scales that its two readers see, and its beta.

    `input` is the scale for the matrices that read it, `residual` that for the sum that follows.
    """

    layout: SplitLayout
    input: FloatArray
    residual: FloatArray
    beta: FloatArray


def norm_scale(peaks: NormPeaks) -> FloatArray:
    """The channel scale for the input of a LayerNorm that also suits its normalized output."""
    centered = equalize_peaks(peaks.centered.magnitudes)
    return np.minimum(centered, equalize_peaks(peaks.normalized.magnitudes))


def next_scale(peaks: ChannelPeaks, layer: int) -> FloatArray:
    """The channel scale of the stream that enters layer `layer`, or leaves the last one."""
    if layer == len(peaks.layers):
        return equalize_peaks(peaks.output.magnitudes)
    return norm_scale(peaks.layers[layer].attention_norm)


def equalize_norm(
    norm: LayerNormWeights,
    peaks: NormPeaks,
    layout: SplitLayout,
    scales: tuple[FloatArray, FloatArray],
    reader: FloatArray | None,
) -> tuple[EqualizedNorm, ResidualStream]:
    """A LayerNorm between two channel `scales`; `reader` is the first kernel behind it, if any."""
    scale, following = scales
    gamma = layout.expand(norm.gamma)
    to_residual = round_factors(gamma, scale, following)
    target = np.ones_like(gamma)
    if reader is not None:
        target = smooth_channels(peaks.scaled.magnitudes, layout.expand_kernel(reader))
    to_input = round_factors(gamma, scale, target)
    equalized = EqualizedNorm(
        layout=layout,
        channel_scale=scale,
        variances=np.concatenate(peaks.variances),
        to_input=to_input.factors,
        to_residual=to_residual.factors,
    )
    stream = ResidualStream(layout, to_input.scale, to_residual.scale, norm.beta)
    return equalized, stream


def read_stream(dense: DenseWeights, stream: ResidualStream) -> DenseWeights:
    """A matrix that reads the stream: undoes its channel scale, takes its beta."""
    kernel = stream.layout.expand_kernel(dense.kernel) / stream.input[:, None]
    return DenseWeights(kernel, dense.bias + stream.beta @ dense.kernel)


def write_regular(dense: DenseWeights, layout: SplitLayout) -> DenseWeights:
    """A matrix that writes channels as one that writes columns, and no outlier."""
    return DenseWeights(layout.expand_regular(dense.kernel), layout.expand_regular(dense.bias))


def scale_outputs(dense: DenseWeights, factor: FloatArray) -> DenseWeights:
    """The same matrix with its outputs multiplied by `factor`."""
    return DenseWeights(dense.kernel * factor, dense.bias * factor)


def remove_mean(rows: FloatArray) -> FloatArray:
    """Rows without their mean over channels, which the LayerNorm behind takes off anyway."""
    return np.asarray(rows - rows.mean(axis=-1, keepdims=True), np.float32)
