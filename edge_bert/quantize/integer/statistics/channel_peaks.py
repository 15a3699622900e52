"""Per-channel statistics of the float encoder over a calibration set, for the rewrites.

One pass over the sentences, each at its own length without padding, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.numpy_forward import (
    AttentionValues,
    Sentence,
    SublayerValues,
    embed_tokens,
    join_sentences,
    run_layers,
)
from edge_bert.encoder.numpy_norm import NormValues
from edge_bert.encoder.weights import EncoderWeights, LayerNormWeights, LayerWeights
from edge_bert.quantize.integer.statistics.split_layout import (
    OutlierSplit,
    SplitLayout,
    make_empty_split,
)
from edge_bert.records.checkpoint import FloatArray

IntArray = npt.NDArray[np.int32]
SAMPLE_STRIDE, SAMPLES = 8, 512  # every eighth token of a sentence, and 512 in all


@dataclass
class Peaks:
    """The largest magnitude of each channel of one value.

    `tokens` holds int32 [channels, 2]: the id and the position of the token at which each channel
    has its peak.
    """

    magnitudes: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    tokens: IntArray = field(default_factory=lambda: np.zeros((0, 2), np.int32))

    def update(self, rows: FloatArray, ids: IntArray) -> None:
        """Take the rows [n, channels] of a sentence with these token ids [n] into account."""
        sizes = np.abs(rows)
        highest = sizes.max(axis=0)
        if not len(self.magnitudes):
            self.magnitudes = np.full_like(highest, -1.0)
            self.tokens = np.zeros((len(highest), 2), np.int32)
        higher = np.flatnonzero(highest > self.magnitudes)
        positions = sizes[:, higher].argmax(axis=0)
        self.tokens[higher] = np.stack([ids[positions], positions], axis=1)
        self.magnitudes = np.maximum(self.magnitudes, highest)


@dataclass
class NormPeaks:
    """A LayerNorm: its input less the mean, and its output before gamma and before beta.

    `variances` holds the variance of every token, an array for each sentence.
    """

    centered: Peaks = field(default_factory=Peaks)
    normalized: Peaks = field(default_factory=Peaks)
    scaled: Peaks = field(default_factory=Peaks)
    variances: list[FloatArray] = field(default_factory=list)


@dataclass
class LayerPeaks:
    """One transformer layer; `neuron_samples` are the neurons' activations at some tokens."""

    query: Peaks = field(default_factory=Peaks)
    key: Peaks = field(default_factory=Peaks)
    value: Peaks = field(default_factory=Peaks)
    attention_norm: NormPeaks = field(default_factory=NormPeaks)
    neurons: Peaks = field(default_factory=Peaks)
    neuron_samples: list[FloatArray] = field(default_factory=list)
    ffn_norm: NormPeaks = field(default_factory=NormPeaks)

    def sample_neurons(self, rows: FloatArray) -> None:
        """Keep some of the rows [n, neurons], until there are SAMPLES."""
        free = SAMPLES - sum(map(len, self.neuron_samples))
        if free > 0:
            self.neuron_samples.append(rows[::SAMPLE_STRIDE][:free])


@dataclass
class ChannelPeaks:
    """The peaks of an encoder, whose residual stream has the layout of `split`.

    `projection` stays empty where the model has none; `output` is what leaves the last layer.
    """

    split: OutlierSplit
    layers: tuple[LayerPeaks, ...]
    embedding_norm: NormPeaks = field(default_factory=NormPeaks)
    projection: Peaks = field(default_factory=Peaks)
    output: Peaks = field(default_factory=Peaks)

    @property
    def stream(self) -> dict[str, Peaks]:
        """The residual stream at the input of every LayerNorm and behind the last, for people."""
        named = {"embeddings.norm": self.embedding_norm.centered}
        for index, layer in enumerate(self.layers):
            named[f"layer.{index}.attention_norm"] = layer.attention_norm.centered
            named[f"layer.{index}.ffn_norm"] = layer.ffn_norm.centered
        return named | {"output": self.output}


def collect_channel_peaks(
    weights: EncoderWeights, sentences: Iterable[Sentence], split: OutlierSplit | None = None
) -> ChannelPeaks:
    """Run the float encoder on every sentence (ids without padding) and keep channel peaks.

    Sentences go one by one, in their order: where two have the same peak, the first one counts.
    """
    split = split or make_empty_split(weights.config.hidden, weights.config.ffn)
    peaks = ChannelPeaks(split, tuple(LayerPeaks() for _ in weights.layers))
    for sentence in sentences:
        _SentencePass(weights, peaks, sentence["input_ids"].reshape(-1).astype(np.int32)).run(
            sentence
        )
    return peaks


@dataclass
class _SentencePass:
    """The pass of one sentence; `outliers` [n, outlier channels] are those of the stream."""

    weights: EncoderWeights
    peaks: ChannelPeaks
    ids: IntArray
    outliers: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        channels = len(self.peaks.split.layout.outliers)
        self.outliers = np.zeros((len(self.ids), channels), np.float32)

    def run(self, sentence: Sentence) -> None:
        """Take all values of the pass into account."""
        batch, layout = join_sentences([sentence]), self.peaks.split.layout
        embedded = embed_tokens(self.weights, batch)
        tables = self.weights.embeddings
        if tables.projection is None:
            self._norm(self.peaks.embedding_norm, tables.norm, embedded.norm, layout)
        else:
            narrow = SplitLayout(self.weights.config.table_width)
            self._norm(self.peaks.embedding_norm, tables.norm, embedded.norm, narrow)
            self.peaks.projection.update(layout.expand_regular(embedded.output), self.ids)
        rows = embedded.output
        for index, values in enumerate(run_layers(self.weights, rows, batch.length)):
            layer, peaks = self.weights.layers[index], self.peaks.layers[index]
            self._attention(layer, peaks, values.attention)
            self._ffn(index, layer, peaks, values.ffn)
            rows = values.output
        self.peaks.output.update(layout.expand_split(rows, self.outliers), self.ids)

    def _attention(self, layer: LayerWeights, peaks: LayerPeaks, values: AttentionValues) -> None:
        peaks.query.update(values.query, self.ids)
        peaks.key.update(values.key, self.ids)
        peaks.value.update(values.value, self.ids)
        layout = self.peaks.split.layout
        self._norm(peaks.attention_norm, layer.attention_norm, values.norm, layout)

    def _ffn(
        self, index: int, layer: LayerWeights, peaks: LayerPeaks, values: SublayerValues
    ) -> None:
        peaks.neurons.update(values.hidden, self.ids)
        peaks.sample_neurons(values.hidden)
        split = self.peaks.split
        written = split.outlier_rows(index, values.hidden, layer.ffn_out.kernel)
        self.outliers = self.outliers + written
        self._norm(peaks.ffn_norm, layer.ffn_norm, values.norm, split.layout)

    def _norm(
        self, peaks: NormPeaks, norm: LayerNormWeights, values: NormValues, layout: SplitLayout
    ) -> None:
        """One LayerNorm, through which outliers go as the rows do; beta goes to the regular."""
        channels = list(layout.outliers)
        outliers = self.outliers[:, : len(channels)]
        peaks.variances.append(values.variance[:, 0])
        peaks.centered.update(layout.expand_split(values.centred, outliers), self.ids)
        outliers = outliers / np.sqrt(values.variance + self.weights.config.epsilon)
        peaks.normalized.update(layout.expand_split(values.unit, outliers), self.ids)
        outliers = outliers * norm.gamma[channels]
        peaks.scaled.update(layout.expand_split(values.scaled, outliers), self.ids)
        if channels:
            self.outliers = outliers
