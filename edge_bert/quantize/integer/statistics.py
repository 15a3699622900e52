"""Per-channel statistics of the float encoder over a calibration set: what the rewrites need.

One pass over the sentences, each at its own length without padding, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_bert.float_encoder.float_math import activate, softmax, split_heads
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.encoder import EncoderWeights

IntArray = npt.NDArray[np.int32]
Sentence = dict[str, FloatArray]


@dataclass
class ChannelPeaks:
    """The largest magnitude of each channel at each named place of the encoder.

    `variances` holds, per LayerNorm, the variance of every token seen (one number a token).
    `carriers` holds int32 [channels, 2]: the id and the position of the token at which each
    channel has its peak. `ids` are those of the sentence that is being seen.
    """

    peaks: dict[str, FloatArray] = field(default_factory=dict)
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

    def __getitem__(self, place: str) -> FloatArray:
        return self.peaks[place]


def collect(weights: EncoderWeights, sentences: Iterable[Sentence]) -> ChannelPeaks:
    """Run the float encoder on every sentence (ids without padding) and keep channel peaks.

    Places: the input of every LayerNorm (`embeddings.norm`, `layer.{i}.attention_norm`,
    `layer.{i}.ffn_norm`), what it gives before its beta (`….scaled`), where there is one
    `embeddings.projection`, and per layer `layer.{i}.{query,key,value,inner}`; `output` is what
    leaves the last layer.
    """
    peaks = ChannelPeaks()
    for sentence in sentences:
        peaks.ids = sentence["input_ids"].reshape(-1).astype(np.int32)
        rows = _embed(weights, sentence, peaks)
        for index in range(weights.shape.layers):
            rows = _layer(weights, index, rows, peaks)
        peaks.see("output", rows)
    return peaks


def _embed(weights: EncoderWeights, sentence: Sentence, peaks: ChannelPeaks) -> FloatArray:
    arrays, shape = weights.arrays, weights.shape
    ids = sentence["input_ids"].reshape(-1).astype(np.int64)
    start = shape.position_offset
    rows = arrays["embeddings.word"][ids]
    rows = rows + arrays["embeddings.position"][start : start + len(ids)]
    if shape.token_types:
        types = sentence.get("token_type_ids", np.zeros(len(ids)))
        rows = rows + arrays["embeddings.token_type"][types.reshape(-1).astype(np.int64)]
    rows = _norm(weights, "embeddings.norm", rows, peaks)
    if not shape.embedding:
        return rows
    return peaks.see("embeddings.projection", dense(weights, "embeddings.projection", rows))


def _layer(
    weights: EncoderWeights, index: int, rows: FloatArray, peaks: ChannelPeaks
) -> FloatArray:
    name, heads, size = f"layer.{index}", weights.shape.heads[index], weights.shape.head_size
    query = peaks.see(f"{name}.query", dense(weights, f"{name}.query", rows) * size**-0.5)
    key = peaks.see(f"{name}.key", dense(weights, f"{name}.key", rows))
    value = peaks.see(f"{name}.value", dense(weights, f"{name}.value", rows))
    scores = split_heads(query, heads) @ split_heads(key, heads).transpose(0, 2, 1)
    context = (softmax(scores) @ split_heads(value, heads)).transpose(1, 0, 2)
    output = dense(weights, f"{name}.attention_output", context.reshape(len(rows), -1))
    rows = _norm(weights, f"{name}.attention_norm", rows + output, peaks)
    inner = activate(dense(weights, f"{name}.ffn_in", rows), weights.shape.activation)
    output = dense(weights, f"{name}.ffn_out", peaks.see(f"{name}.inner", inner))
    return _norm(weights, f"{name}.ffn_norm", rows + output, peaks)


def dense(weights: EncoderWeights, name: str, rows: FloatArray) -> FloatArray:
    """Rows times a kernel plus its bias."""
    return rows @ weights.arrays[f"{name}.kernel"] + weights.arrays[f"{name}.bias"]


def _norm(weights: EncoderWeights, name: str, rows: FloatArray, peaks: ChannelPeaks) -> FloatArray:
    peaks.see(name, rows)
    centred = rows - rows.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    unit = centred / np.sqrt(variance + weights.shape.epsilon)
    peaks.variances.setdefault(name, []).append(variance[:, 0])
    scaled = peaks.see(f"{name}.scaled", unit * weights.arrays[f"{name}.gamma"])
    return scaled + weights.arrays[f"{name}.beta"]
