"""Which channels of the residual stream are split, and which neurons write their bursts.

Requires: peaks and samples of the neurons over the calibration set, with nothing split.
Ensures: few channels, those that have most of the rounding noise at the input of a LayerNorm.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.smoothing import equalize_peaks
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.quantize.integer.statistics.split_layout import OutlierSplit, SplitLayout
from edge_bert.records.checkpoint import FloatArray

LOUD = 15.0  # times an even share of the noise: above it, a channel is worth two columns more
NEURON_SHARE = 0.125  # of a channel's peak: what a neuron must write to be taken apart
MOST = 4


def find_outlier_channels(weights: EncoderWeights, peaks: ChannelPeaks) -> OutlierSplit:
    """The channels to split, at most `MOST`, the noisiest first."""
    layers = range(weights.config.layers)
    noise = np.max([noise_shares(weights, peaks, index) for index in layers], axis=0)
    loud = [int(c) for c in np.argsort(-noise, kind="stable") if noise[c] * len(noise) > LOUD]
    writers = {c: [_writers(weights, peaks, index, c) for index in layers] for c in loud}
    split = tuple(c for c in loud if any(each.any() for each in writers[c]))[:MOST]
    neurons = tuple(
        np.array([writers[c][index] for c in split], np.bool_).reshape(len(split), size)
        for index, size in enumerate(weights.config.ffn)
    )
    nothing = tuple(np.zeros(len(split), np.float32) for _ in layers)
    start = OutlierSplit(SplitLayout(weights.config.hidden, split), neurons, nothing)
    usual = tuple(_usual(weights, peaks, start, index) for index in layers)
    return OutlierSplit(start.columns, neurons, usual)


def _usual(
    weights: EncoderWeights, peaks: ChannelPeaks, bursts: OutlierSplit, layer: int
) -> FloatArray:
    """What the burst neurons of a layer write at most tokens: the median of the sample [split]."""
    sample = np.concatenate(peaks.layers[layer].neuron_samples)
    kernel = weights.layers[layer].ffn_out.kernel
    return np.asarray(np.median(bursts.written(layer, sample, kernel), axis=0), np.float32)


def noise_shares(weights: EncoderWeights, peaks: ChannelPeaks, layer: int) -> FloatArray:
    """Each channel's share of what one rounding of the feed-forward half's sum costs [hidden]."""
    scale = equalize_peaks(peaks.layers[layer].ffn_norm.centred.magnitudes)
    noise = np.square(weights.layers[layer].ffn_norm.gamma / scale)
    return np.asarray(noise / max(float(noise.sum()), 1e-30), np.float32)


def _writers(
    weights: EncoderWeights, peaks: ChannelPeaks, layer: int, channel: int
) -> npt.NDArray[np.bool_]:
    """The neurons of a layer that write a large part of a channel's peak [ffn]."""
    column = np.abs(weights.layers[layer].ffn_out.kernel[:, channel])
    layer_peaks = peaks.layers[layer]
    written = column * layer_peaks.neurons.magnitudes
    peak = layer_peaks.ffn_norm.centred.magnitudes[channel]
    return np.asarray(written > NEURON_SHARE * peak)
