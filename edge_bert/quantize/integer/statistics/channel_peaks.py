"""Per-channel statistics of the float encoder over a calibration set: what the rewrites need.

One pass over the sentences, each at its own length without padding, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.numpy_ops import apply_activation, softmax, split_heads
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.statistics.split_layout import (
    OutlierSplit,
    SplitLayout,
    nothing_split,
)
from edge_bert.records.checkpoint import FloatArray

IntArray = npt.NDArray[np.int32]
Sentence = dict[str, FloatArray]
SAMPLED, SAMPLES = 8, 512  # every eighth token of a sentence, and so many in all


@dataclass
class ChannelPeaks:
    """The largest magnitude of each channel at each named place of the encoder.

    `variances` holds, per LayerNorm, the variance of every token seen (one number a token).
    `carriers` holds int32 [channels, 2]: the id and the position of the token at which each
    channel has its peak. `ids` are those of the sentence that is being seen. `samples` holds the
    neurons `layer.{i}.inner` of some tokens. The residual stream has the columns of `bursts`.
    """

    bursts: OutlierSplit
    peaks: dict[str, FloatArray] = field(default_factory=dict)
    samples: dict[str, list[FloatArray]] = field(default_factory=dict)
    variances: dict[str, list[FloatArray]] = field(default_factory=dict)
    carriers: dict[str, IntArray] = field(default_factory=dict)
    ids: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))

    def see(self, place: str, rows: FloatArray) -> FloatArray:
        """Take [n, channels] into account; gives `rows` back."""
        sizes = np.abs(rows)
        found = sizes.max(axis=0)
        if place not in self.peaks:
            self.peaks[place] = np.full_like(found, -1.0)
            self.carriers[place] = np.zeros((len(found), 2), np.int32)
        higher = np.flatnonzero(found > self.peaks[place])
        positions = sizes[:, higher].argmax(axis=0)
        self.carriers[place][higher] = np.stack([self.ids[positions], positions], axis=1)
        self.peaks[place] = np.maximum(self.peaks[place], found)
        return rows

    def sample(self, place: str, rows: FloatArray) -> FloatArray:
        """Keep some of the rows [n, channels]; gives `rows` back."""
        kept = self.samples.setdefault(place, [])
        missing = SAMPLES - sum(map(len, kept))
        if missing > 0:
            kept.append(rows[::SAMPLED][:missing])
        return rows

    def __getitem__(self, place: str) -> FloatArray:
        return self.peaks[place]


@dataclass(frozen=True)
class _Stream:
    """The residual stream of one sentence [n, hidden], and what of it is burst [n, split]."""

    rows: FloatArray
    bursts: FloatArray


def collect_channel_peaks(
    weights: EncoderWeights, sentences: Iterable[Sentence], bursts: OutlierSplit | None = None
) -> ChannelPeaks:
    """Run the float encoder on every sentence (ids without padding) and keep channel peaks.

    Places: the input of every LayerNorm less its mean (`embeddings.norm`,
    `layer.{i}.attention_norm`, `layer.{i}.ffn_norm`), what it gives before gamma (`….unit`) and
    before its beta (`….scaled`), where there is one `embeddings.projection`, and per layer
    `layer.{i}.{query,key,value,inner}`; `output` is what leaves the last layer.
    """
    shape = weights.config
    peaks = ChannelPeaks(bursts or nothing_split(shape.hidden, shape.ffn))
    for sentence in sentences:
        peaks.ids = sentence["input_ids"].reshape(-1).astype(np.int32)
        stream = _embed(weights, sentence, peaks)
        for index in range(shape.layers):
            stream = _layer(weights, index, stream, peaks)
        peaks.see("output", peaks.bursts.columns.with_bursts(stream.rows, stream.bursts))
    return peaks


def _embed(weights: EncoderWeights, sentence: Sentence, peaks: ChannelPeaks) -> _Stream:
    arrays, shape = weights.arrays, weights.config
    ids = sentence["input_ids"].reshape(-1).astype(np.int64)
    start = shape.position_offset
    rows = arrays["embeddings.word"][ids]
    rows = rows + arrays["embeddings.position"][start : start + len(ids)]
    if shape.token_types:
        types = sentence.get("token_type_ids", np.zeros(len(ids)))
        rows = rows + arrays["embeddings.token_type"][types.reshape(-1).astype(np.int64)]
    bursts = np.zeros((len(ids), len(peaks.bursts.columns.split)), np.float32)
    if not shape.embedding:
        return _norm(weights, "embeddings.norm", _Stream(rows, bursts), peaks)
    narrow = _Stream(rows, bursts[:, :0])
    rows = _norm(weights, "embeddings.norm", narrow, peaks, SplitLayout(shape.embedding)).rows
    rows = apply_dense(weights, "embeddings.projection", rows)
    peaks.see("embeddings.projection", peaks.bursts.columns.without_bursts(rows))
    return _Stream(rows, bursts)


def _layer(weights: EncoderWeights, index: int, stream: _Stream, peaks: ChannelPeaks) -> _Stream:
    name, heads, size = f"layer.{index}", weights.config.heads[index], weights.config.head_size
    rows = stream.rows
    query = peaks.see(f"{name}.query", apply_dense(weights, f"{name}.query", rows) * size**-0.5)
    key = peaks.see(f"{name}.key", apply_dense(weights, f"{name}.key", rows))
    value = peaks.see(f"{name}.value", apply_dense(weights, f"{name}.value", rows))
    scores = split_heads(query, heads) @ split_heads(key, heads).transpose(0, 2, 1)
    context = (softmax(scores) @ split_heads(value, heads)).transpose(1, 0, 2)
    output = apply_dense(weights, f"{name}.attention_output", context.reshape(len(rows), -1))
    stream = _Stream(rows + output, stream.bursts)
    stream = _norm(weights, f"{name}.attention_norm", stream, peaks)
    inner = apply_activation(
        apply_dense(weights, f"{name}.ffn_in", stream.rows), weights.config.activation
    )
    peaks.sample(f"{name}.inner", peaks.see(f"{name}.inner", inner))
    output = apply_dense(weights, f"{name}.ffn_out", inner)
    burst = peaks.bursts.written(index, inner, weights.arrays[f"{name}.ffn_out.kernel"])
    stream = _Stream(stream.rows + output, stream.bursts + burst)
    return _norm(weights, f"{name}.ffn_norm", stream, peaks)


def apply_dense(weights: EncoderWeights, name: str, rows: FloatArray) -> FloatArray:
    """Rows times a kernel plus its bias."""
    return rows @ weights.arrays[f"{name}.kernel"] + weights.arrays[f"{name}.bias"]


def _norm(
    weights: EncoderWeights,
    name: str,
    stream: _Stream,
    peaks: ChannelPeaks,
    columns: SplitLayout | None = None,
) -> _Stream:
    columns = columns or peaks.bursts.columns
    centred = stream.rows - stream.rows.mean(axis=-1, keepdims=True)
    peaks.see(name, columns.with_bursts(centred, stream.bursts))
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    peaks.variances.setdefault(name, []).append(variance[:, 0])
    gamma, root = weights.arrays[f"{name}.gamma"], np.sqrt(variance + weights.config.epsilon)
    unit, bursts = centred / root, stream.bursts / root
    peaks.see(f"{name}.unit", columns.with_bursts(unit, bursts))
    scaled, bursts = unit * gamma, bursts * gamma[list(columns.split)]
    peaks.see(f"{name}.scaled", columns.with_bursts(scaled, bursts))
    return _Stream(scaled + weights.arrays[f"{name}.beta"], bursts)
