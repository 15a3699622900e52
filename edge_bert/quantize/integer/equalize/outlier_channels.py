"""Which channels of the residual stream are split, and which neurons write their outliers.

Requires: peaks and samples of the neurons over the calibration set, with nothing split.
Ensures: few channels, those with most of the rounding noise at the input of a LayerNorm.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.smoothing import equalize_peaks
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.quantize.integer.statistics.split_layout import OutlierSplit, SplitLayout
from edge_bert.records.checkpoint import FloatArray

NOISE_RATIO = 15.0  # to an even share of the noise: above it, a channel gets two columns more
NEURON_SHARE = 0.125  # of a channel's peak: the least that a neuron writes to be split off
MAX_CHANNELS = 4


def find_outlier_channels(weights: EncoderWeights, peaks: ChannelPeaks) -> OutlierSplit:
    """The channels to split, at most `MAX_CHANNELS`, the noisiest first.

    A noisy channel without such neurons cannot be split: every neuron has a share in its peak.
    """
    layers = range(weights.config.layers)
    noise = np.max([noise_shares(weights, peaks, index) for index in layers], axis=0)
    order = (int(channel) for channel in np.argsort(-noise, kind="stable"))
    noisy = [channel for channel in order if noise[channel] * len(noise) > NOISE_RATIO]
    writers = {c: [_writing_neurons(weights, peaks, index, c) for index in layers] for c in noisy}
    channels = tuple(c for c in noisy if any(neurons.any() for neurons in writers[c]))
    channels = channels[:MAX_CHANNELS]
    neurons = tuple(
        np.array([writers[c][index] for c in channels], np.bool_).reshape(len(channels), size)
        for index, size in enumerate(weights.config.ffn)
    )
    zeros = tuple(np.zeros(len(channels), np.float32) for _ in layers)
    split = OutlierSplit(SplitLayout(weights.config.hidden, channels), neurons, zeros)
    typical = tuple(_typical_outliers(weights, peaks, split, index) for index in layers)
    return OutlierSplit(split.layout, neurons, typical)


def _typical_outliers(
    weights: EncoderWeights, peaks: ChannelPeaks, split: OutlierSplit, layer: int
) -> FloatArray:
    """The median that a layer's neurons write into the outlier channels, over sampled tokens."""
    sample = np.concatenate(peaks.layers[layer].neuron_samples)
    kernel = weights.layers[layer].ffn_out.kernel
    return np.asarray(np.median(split.outlier_rows(layer, sample, kernel), axis=0), np.float32)


def noise_shares(weights: EncoderWeights, peaks: ChannelPeaks, layer: int) -> FloatArray:
    """Each channel's share of the rounding noise of the feed-forward half's sum [hidden].

    The sum is rounded at one step in channel scale m; LayerNorm's output has that noise times
    gamma / m, so that a channel's noise power is proportional to (gamma / m) ** 2.
    """
    scale = equalize_peaks(peaks.layers[layer].ffn_norm.centered.magnitudes)
    noise = np.square(weights.layers[layer].ffn_norm.gamma / scale)
    return np.asarray(noise / max(float(noise.sum()), 1e-30), np.float32)


def _writing_neurons(
    weights: EncoderWeights, peaks: ChannelPeaks, layer: int, channel: int
) -> npt.NDArray[np.bool_]:
    """The neurons of a layer that write a large share of a channel's peak, a mask [ffn]."""
    column = np.abs(weights.layers[layer].ffn_out.kernel[:, channel])
    layer_peaks = peaks.layers[layer]
    written = column * layer_peaks.neurons.magnitudes
    peak = layer_peaks.ffn_norm.centered.magnitudes[channel]
    return np.asarray(written > NEURON_SHARE * peak)
