"""The two halves of an equalized layer: attention, and the feed-forward network."""

from __future__ import annotations

import numpy as np

from edge_bert.encoder.weights import DenseWeights, LayerWeights
from edge_bert.quantize.integer.equalize.equalized_encoder import FfnGroup
from edge_bert.quantize.integer.equalize.residual_stream import (
    ResidualStream,
    read_stream,
    remove_mean,
    scale_outputs,
    write_regular,
)
from edge_bert.quantize.integer.equalize.smoothing import balance_peaks, equalize_peaks
from edge_bert.quantize.integer.statistics.channel_peaks import LayerPeaks
from edge_bert.quantize.integer.statistics.split_layout import OutlierSplit
from edge_bert.records.checkpoint import FloatArray

OUTLIER_NEURON = 1.1  # times the 98th percentile of the neurons' peaks


def equalize_attention_inputs(
    layer: LayerWeights, peaks: LayerPeaks, stream: ResidualStream, head_size: int
) -> tuple[DenseWeights, DenseWeights, DenseWeights]:
    """Query, key and value matrices.

    Queries and keys get equal peaks: what one gains the other loses, and scores stay. Values are
    equalized halfway. 1 / sqrt(head size) goes into the queries.
    """
    balance = balance_peaks(peaks.query.magnitudes, peaks.key.magnitudes)
    root = np.float32(head_size**-0.5)
    return (
        scale_outputs(read_stream(layer.query, stream), balance * root),
        scale_outputs(read_stream(layer.key, stream), 1.0 / balance),
        scale_outputs(read_stream(layer.value, stream), _value_scale(peaks)),
    )


def equalize_attention_output(
    layer: LayerWeights, peaks: LayerPeaks, stream: ResidualStream
) -> DenseWeights:
    """The matrix behind attention, which also undoes the values' scale and takes beta."""
    kernel = layer.attention_output.kernel / _value_scale(peaks)[:, None]
    bias = layer.attention_output.bias + stream.beta
    centered = DenseWeights(remove_mean(kernel), remove_mean(bias))
    return scale_outputs(write_regular(centered, stream.layout), stream.residual)


def _value_scale(peaks: LayerPeaks) -> FloatArray:
    return equalize_peaks(peaks.value.magnitudes, 0.5)


def equalize_ffn(
    layer: LayerWeights, peaks: LayerPeaks, split: OutlierSplit, index: int, stream: ResidualStream
) -> tuple[FfnGroup, ...]:
    """The feed-forward half of layer `index`; outlier neurons get matrices of their own."""
    up, down = read_stream(layer.ffn_in, stream), _down_matrix(layer, split, index, stream)
    magnitudes = peaks.neurons.magnitudes
    outliers = magnitudes > OUTLIER_NEURON * np.quantile(magnitudes, 0.98)
    masks = [~outliers, outliers] if outliers.any() else [~outliers]
    return tuple(
        FfnGroup(
            DenseWeights(up.kernel[:, mask], up.bias[mask]),
            DenseWeights(down.kernel[mask], np.zeros_like(down.bias) if group else down.bias),
        )
        for group, mask in enumerate(masks)
    )


def _down_matrix(
    layer: LayerWeights, split: OutlierSplit, index: int, stream: ResidualStream
) -> DenseWeights:
    """The matrix behind the neurons, and beta: no mean, and outliers in columns of their own."""
    layout, kernel = split.layout, layer.ffn_out.kernel
    bias = layer.ffn_out.bias + stream.beta
    dense = DenseWeights(
        layout.expand_split(remove_mean(kernel), split.outlier_kernel(index, kernel)),
        layout.expand_split(remove_mean(bias), -split.typical[index]),
    )
    return scale_outputs(dense, stream.residual)
