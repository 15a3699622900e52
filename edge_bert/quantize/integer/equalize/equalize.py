"""The encoder's weights after all rewrites: what the integer graph is built from.

Every LayerNorm has a migration: its input arrives as `migration * s`, channel by channel. The
multipliers after it (`to_input` for the matrices that read it, `to_residual` for the sum that
follows) carry gamma and the change to the next migration; beta is folded into biases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.smoothing import (
    balance_peaks,
    equalize_peaks,
    exact_factors,
    smooth_channels,
)
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.quantize.integer.statistics.split_layout import OutlierSplit, SplitLayout
from edge_bert.records.checkpoint import FloatArray

OUTLIER_NEURON = 1.1  # times the 98th percentile of the neurons' peaks


@dataclass(frozen=True)
class DenseWeights:
    """A matrix [in, out] and a bias [out]."""

    kernel: FloatArray
    bias: FloatArray


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
    arrays, shape = weights.arrays, weights.config
    columns, start = peaks.bursts.columns, _wanted(peaks, "embeddings.norm")
    projection = None
    if shape.embedding:
        embedding_norm, projection, stream = _project(weights, peaks, start)
    else:
        reader = _reader(weights, 0, "query")
        embedding_norm, stream = _norm(weights, peaks, "embeddings.norm", start, reader)
    blocks = []
    for index in range(shape.layers):
        block, stream = _block(weights, peaks, index, stream)
        blocks.append(block)

    tabled = embedding_norm.columns

    def table(rows: FloatArray) -> FloatArray:
        return tabled.without_bursts(_centred(rows)) * start

    # The first type goes into the words, so that type 0 adds exactly nothing.
    word, types = arrays["embeddings.word"], arrays.get("embeddings.token_type")
    if types is not None:
        word, types = word + types[0], types - types[0]
    return EqualizedEncoder(
        word=table(word),
        position=table(arrays["embeddings.position"]),
        token_type=None if types is None else table(types),
        embedding_norm=embedding_norm,
        blocks=tuple(blocks),
        output_beta=columns.without_bursts(stream.beta) * stream.residual,
        output_scale=1.0 / stream.residual,
        head=_head(weights, columns, stream),
        projection=projection,
    )


def _project(
    weights: EncoderWeights, peaks: ChannelPeaks, start: FloatArray
) -> tuple[NormWeights, Projection, _Stream]:
    """The LayerNorm of narrow embeddings, which nothing but the projection reads."""
    name, place = "embeddings.norm", "embeddings.projection"
    narrow, wide = SplitLayout(len(start)), peaks.bursts.columns
    gamma, beta = weights.arrays[f"{name}.gamma"], weights.arrays[f"{name}.beta"]
    wanted = smooth_channels(peaks[f"{name}.scaled"], weights.arrays[f"{place}.kernel"])
    factors = exact_factors(gamma, start, wanted)
    variances = np.concatenate(peaks.variances[name])
    norm = NormWeights(narrow, start, variances, factors.vector, factors.vector)
    residual = _wanted(peaks, "layer.0.attention_norm")
    read = _Stream(input=factors.result, residual=residual, beta=beta)
    plain = _reading(weights, place, narrow, read)
    made = _scaled(_written(wide, plain), residual)
    reader = wide.read(weights.arrays["layer.0.query.kernel"])
    to_input = exact_factors(
        np.ones_like(residual), residual, smooth_channels(peaks[place], reader)
    )
    beta = np.zeros(wide.hidden, np.float32)
    stream = _Stream(input=to_input.result, residual=residual, beta=beta)
    return norm, Projection(made, to_input.vector), stream


def _written(columns: SplitLayout, dense: DenseWeights) -> DenseWeights:
    """A matrix that writes channels as one that writes columns, and no burst."""
    return DenseWeights(columns.without_bursts(dense.kernel), columns.without_bursts(dense.bias))


def _reader(weights: EncoderWeights, layer: int, name: str) -> FloatArray | None:
    """The kernel that reads what a LayerNorm gives; None after the last layer."""
    return weights.arrays.get(f"layer.{layer}.{name}.kernel")


def _next_norm(name: str, layers: int) -> str:
    """The LayerNorm that the residual reaches next; `output` after the last."""
    if name == "embeddings.norm":
        return "layer.0.attention_norm"
    index = int(name.split(".")[1])
    if name.endswith("attention_norm"):
        return f"layer.{index}.ffn_norm"
    return f"layer.{index + 1}.attention_norm" if index + 1 < layers else "output"


def _wanted(peaks: ChannelPeaks, name: str) -> FloatArray:
    """The migration for the input of a LayerNorm that also suits what it gives."""
    found = equalize_peaks(peaks[name])
    if name == "output":
        return found
    return np.minimum(found, equalize_peaks(peaks[f"{name}.unit"]))


def _norm(
    weights: EncoderWeights,
    peaks: ChannelPeaks,
    name: str,
    migration: FloatArray,
    reader: FloatArray | None,
) -> tuple[NormWeights, _Stream]:
    columns, beta = peaks.bursts.columns, weights.arrays[f"{name}.beta"]
    gamma = columns.copied(weights.arrays[f"{name}.gamma"])
    following = _wanted(peaks, _next_norm(name, weights.config.layers))
    residual = exact_factors(gamma, migration, following)
    wanted = np.ones_like(gamma)
    if reader is not None:
        wanted = smooth_channels(peaks[f"{name}.scaled"], columns.read(reader))
    to_input = exact_factors(gamma, migration, wanted)
    norm = NormWeights(
        columns=columns,
        migration=migration,
        variances=np.concatenate(peaks.variances[name]),
        to_input=to_input.vector,
        to_residual=residual.vector,
    )
    return norm, _Stream(input=to_input.result, residual=residual.result, beta=beta)


def _block(
    weights: EncoderWeights, peaks: ChannelPeaks, index: int, stream: _Stream
) -> tuple[EqualizedLayer, _Stream]:
    name = f"layer.{index}"
    query, key, value, output = _attention(weights, peaks, name, stream)
    attention_norm, middle = _norm(
        weights, peaks, f"{name}.attention_norm", stream.residual, _reader(weights, index, "ffn_in")
    )
    ffn = _ffn(weights, peaks, name, middle)
    ffn_norm, stream = _norm(
        weights, peaks, f"{name}.ffn_norm", middle.residual, _reader(weights, index + 1, "query")
    )
    return EqualizedLayer(query, key, value, output, attention_norm, ffn, ffn_norm), stream


def _attention(
    weights: EncoderWeights, peaks: ChannelPeaks, name: str, stream: _Stream
) -> tuple[DenseWeights, DenseWeights, DenseWeights, DenseWeights]:
    """Queries and keys share their peaks, values are made alike; 1/sqrt(d) goes into queries."""
    share = balance_peaks(peaks[f"{name}.query"], peaks[f"{name}.key"])
    even = equalize_peaks(peaks[f"{name}.value"], 0.5)
    scale = np.float32(weights.config.head_size**-0.5)
    columns = peaks.bursts.columns
    query = _scaled(_reading(weights, f"{name}.query", columns, stream), share * scale)
    key = _scaled(_reading(weights, f"{name}.key", columns, stream), 1.0 / share)
    value = _scaled(_reading(weights, f"{name}.value", columns, stream), even)
    arrays = weights.arrays
    kernel = arrays[f"{name}.attention_output.kernel"] / even[:, None]
    bias = arrays[f"{name}.attention_output.bias"] + stream.beta
    written = _written(columns, DenseWeights(_centred(kernel), _centred(bias)))
    return query, key, value, _scaled(written, stream.residual)


def _ffn(
    weights: EncoderWeights, peaks: ChannelPeaks, name: str, stream: _Stream
) -> tuple[tuple[DenseWeights, DenseWeights], ...]:
    """The feed-forward half; neurons whose peaks stand far out get matrices of their own."""
    rise = _reading(weights, f"{name}.ffn_in", peaks.bursts.columns, stream)
    fall = _scaled(_falling(weights, peaks.bursts, name, stream.beta), stream.residual)
    found = peaks[f"{name}.inner"]
    outliers = found > OUTLIER_NEURON * np.quantile(found, 0.98)
    groups = [~outliers, outliers] if outliers.any() else [~outliers]
    return tuple(
        (
            DenseWeights(rise.kernel[:, group], rise.bias[group]),
            DenseWeights(fall.kernel[group], fall.bias if not first else np.zeros_like(fall.bias)),
        )
        for first, group in enumerate(groups)
    )


def _falling(
    weights: EncoderWeights, bursts: OutlierSplit, name: str, beta: FloatArray
) -> DenseWeights:
    """The matrix behind the neurons, and beta: no mean, and bursts in columns of their own."""
    columns, index = bursts.columns, int(name.split(".")[1])
    kernel = weights.arrays[f"{name}.ffn_out.kernel"]
    bias = weights.arrays[f"{name}.ffn_out.bias"] + beta
    return DenseWeights(
        columns.with_bursts(_centred(kernel), bursts.kernel(index, kernel)),
        columns.with_bursts(_centred(bias), -bursts.usual[index]),
    )


def _centred(rows: FloatArray) -> FloatArray:
    """Without the mean over channels, which the LayerNorm behind takes off anyway."""
    return np.asarray(rows - rows.mean(axis=-1, keepdims=True), np.float32)


def _reading(
    weights: EncoderWeights, name: str, columns: SplitLayout, stream: _Stream
) -> DenseWeights:
    """A matrix that reads a LayerNorm's output: undoes its migration, takes its beta."""
    kernel, bias = weights.arrays[f"{name}.kernel"], weights.arrays[f"{name}.bias"]
    return DenseWeights(columns.read(kernel) / stream.input[:, None], bias + stream.beta @ kernel)


def _scaled(dense: DenseWeights, factor: FloatArray) -> DenseWeights:
    """The same matrix with its outputs multiplied by `factor`."""
    return DenseWeights(dense.kernel * factor, dense.bias * factor)


def _head(
    weights: EncoderWeights, columns: SplitLayout, stream: _Stream
) -> tuple[DenseWeights, ...]:
    """The dense layers of a classifier; the first reads the last LayerNorm."""
    layers = []
    for index in range(len(weights.head_activations)):
        name = f"head.{index}"
        if f"{name}.kernel" not in weights.arrays:
            break
        plain = DenseWeights(weights.arrays[f"{name}.kernel"], weights.arrays[f"{name}.bias"])
        layers.append(_reading(weights, name, columns, stream) if index == 0 else plain)
    return tuple(layers)
