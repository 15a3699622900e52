"""The encoder's weights after all rewrites: what the integer graph is built from.

Every LayerNorm has a migration: its input arrives as `migration * s`, channel by channel. The
multipliers after it (`to_input` for the matrices that read it, `to_residual` for the sum that
follows) carry gamma and the change to the next migration; beta is folded into biases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.smoothing import balance, equalize, exact_factors, smooth
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.quantize.integer.statistics.split_layout import Bursts, Columns
from edge_bert.records.checkpoint import FloatArray

OUTLIER_NEURON = 1.1  # times the 98th percentile of the neurons' peaks


@dataclass(frozen=True)
class Dense:
    """A matrix [in, out] and a bias [out]."""

    kernel: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class Norm:
    """A LayerNorm over an input of `migration`; `variances` are those of the calibration tokens.

    `migration`, `to_input` and `to_residual` have an entry for each of the `columns`.
    """

    columns: Columns
    migration: FloatArray
    variances: FloatArray
    to_input: FloatArray
    to_residual: FloatArray


@dataclass(frozen=True)
class Block:
    """One transformer layer. `ffn` holds its neurons in groups, outliers apart."""

    query: Dense
    key: Dense
    value: Dense
    output: Dense
    attention_norm: Norm
    ffn: tuple[tuple[Dense, Dense], ...]
    ffn_norm: Norm


@dataclass(frozen=True)
class Projection:
    """What takes narrow embeddings to the residual stream, which it gives as the first LayerNorm
    of layer 0 wants it; `to_input` is the multiplier for the matrices that read it too."""

    dense: Dense
    to_input: FloatArray


@dataclass(frozen=True)
class Rewritten:
    """A whole encoder after the rewrites; `output_scale` undoes the migration of its output.

    The tables and what the matrices give to the residual stream have no mean over channels.
    """

    word: FloatArray
    position: FloatArray
    token_type: FloatArray | None
    embedding_norm: Norm
    blocks: tuple[Block, ...]
    output_beta: FloatArray
    output_scale: FloatArray
    head: tuple[Dense, ...]
    projection: Projection | None = None


@dataclass(frozen=True)
class _Stream:
    """What a LayerNorm hands on: the migrations that its two readers see, and its beta."""

    input: FloatArray
    residual: FloatArray
    beta: FloatArray


def rewrite(weights: EncoderWeights, peaks: ChannelPeaks) -> Rewritten:
    """All rewrites in one walk along the residual stream."""
    arrays, shape = weights.arrays, weights.shape
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
    return Rewritten(
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
) -> tuple[Norm, Projection, _Stream]:
    """The LayerNorm of narrow embeddings, which nothing but the projection reads."""
    name, place = "embeddings.norm", "embeddings.projection"
    narrow, wide = Columns(len(start)), peaks.bursts.columns
    gamma, beta = weights.arrays[f"{name}.gamma"], weights.arrays[f"{name}.beta"]
    wanted = smooth(peaks[f"{name}.scaled"], weights.arrays[f"{place}.kernel"])
    factors = exact_factors(gamma, start, wanted)
    variances = np.concatenate(peaks.variances[name])
    norm = Norm(narrow, start, variances, factors.vector, factors.vector)
    residual = _wanted(peaks, "layer.0.attention_norm")
    read = _Stream(input=factors.result, residual=residual, beta=beta)
    plain = _reading(weights, place, narrow, read)
    made = _scaled(_written(wide, plain), residual)
    reader = wide.read(weights.arrays["layer.0.query.kernel"])
    to_input = exact_factors(np.ones_like(residual), residual, smooth(peaks[place], reader))
    beta = np.zeros(wide.hidden, np.float32)
    stream = _Stream(input=to_input.result, residual=residual, beta=beta)
    return norm, Projection(made, to_input.vector), stream


def _written(columns: Columns, dense: Dense) -> Dense:
    """A matrix that writes channels as one that writes columns, and no burst."""
    return Dense(columns.without_bursts(dense.kernel), columns.without_bursts(dense.bias))


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
    found = equalize(peaks[name])
    if name == "output":
        return found
    return np.minimum(found, equalize(peaks[f"{name}.unit"]))


def _norm(
    weights: EncoderWeights,
    peaks: ChannelPeaks,
    name: str,
    migration: FloatArray,
    reader: FloatArray | None,
) -> tuple[Norm, _Stream]:
    columns, beta = peaks.bursts.columns, weights.arrays[f"{name}.beta"]
    gamma = columns.copied(weights.arrays[f"{name}.gamma"])
    following = _wanted(peaks, _next_norm(name, weights.shape.layers))
    residual = exact_factors(gamma, migration, following)
    wanted = np.ones_like(gamma)
    if reader is not None:
        wanted = smooth(peaks[f"{name}.scaled"], columns.read(reader))
    to_input = exact_factors(gamma, migration, wanted)
    norm = Norm(
        columns=columns,
        migration=migration,
        variances=np.concatenate(peaks.variances[name]),
        to_input=to_input.vector,
        to_residual=residual.vector,
    )
    return norm, _Stream(input=to_input.result, residual=residual.result, beta=beta)


def _block(
    weights: EncoderWeights, peaks: ChannelPeaks, index: int, stream: _Stream
) -> tuple[Block, _Stream]:
    name = f"layer.{index}"
    query, key, value, output = _attention(weights, peaks, name, stream)
    attention_norm, middle = _norm(
        weights, peaks, f"{name}.attention_norm", stream.residual, _reader(weights, index, "ffn_in")
    )
    ffn = _ffn(weights, peaks, name, middle)
    ffn_norm, stream = _norm(
        weights, peaks, f"{name}.ffn_norm", middle.residual, _reader(weights, index + 1, "query")
    )
    return Block(query, key, value, output, attention_norm, ffn, ffn_norm), stream


def _attention(
    weights: EncoderWeights, peaks: ChannelPeaks, name: str, stream: _Stream
) -> tuple[Dense, Dense, Dense, Dense]:
    """Queries and keys share their peaks, values are made alike; 1/sqrt(d) goes into queries."""
    share = balance(peaks[f"{name}.query"], peaks[f"{name}.key"])
    even = equalize(peaks[f"{name}.value"], 0.5)
    scale = np.float32(weights.shape.head_size**-0.5)
    columns = peaks.bursts.columns
    query = _scaled(_reading(weights, f"{name}.query", columns, stream), share * scale)
    key = _scaled(_reading(weights, f"{name}.key", columns, stream), 1.0 / share)
    value = _scaled(_reading(weights, f"{name}.value", columns, stream), even)
    arrays = weights.arrays
    kernel = arrays[f"{name}.attention_output.kernel"] / even[:, None]
    bias = arrays[f"{name}.attention_output.bias"] + stream.beta
    written = _written(columns, Dense(_centred(kernel), _centred(bias)))
    return query, key, value, _scaled(written, stream.residual)


def _ffn(
    weights: EncoderWeights, peaks: ChannelPeaks, name: str, stream: _Stream
) -> tuple[tuple[Dense, Dense], ...]:
    """The feed-forward half; neurons whose peaks stand far out get matrices of their own."""
    rise = _reading(weights, f"{name}.ffn_in", peaks.bursts.columns, stream)
    fall = _scaled(_falling(weights, peaks.bursts, name, stream.beta), stream.residual)
    found = peaks[f"{name}.inner"]
    outliers = found > OUTLIER_NEURON * np.quantile(found, 0.98)
    groups = [~outliers, outliers] if outliers.any() else [~outliers]
    return tuple(
        (
            Dense(rise.kernel[:, group], rise.bias[group]),
            Dense(fall.kernel[group], fall.bias if not first else np.zeros_like(fall.bias)),
        )
        for first, group in enumerate(groups)
    )


def _falling(weights: EncoderWeights, bursts: Bursts, name: str, beta: FloatArray) -> Dense:
    """The matrix behind the neurons, and beta: no mean, and bursts in columns of their own."""
    columns, index = bursts.columns, int(name.split(".")[1])
    kernel = weights.arrays[f"{name}.ffn_out.kernel"]
    bias = weights.arrays[f"{name}.ffn_out.bias"] + beta
    return Dense(
        columns.with_bursts(_centred(kernel), bursts.kernel(index, kernel)),
        columns.with_bursts(_centred(bias), -bursts.usual[index]),
    )


def _centred(rows: FloatArray) -> FloatArray:
    """Without the mean over channels, which the LayerNorm behind takes off anyway."""
    return np.asarray(rows - rows.mean(axis=-1, keepdims=True), np.float32)


def _reading(weights: EncoderWeights, name: str, columns: Columns, stream: _Stream) -> Dense:
    """A matrix that reads a LayerNorm's output: undoes its migration, takes its beta."""
    kernel, bias = weights.arrays[f"{name}.kernel"], weights.arrays[f"{name}.bias"]
    return Dense(columns.read(kernel) / stream.input[:, None], bias + stream.beta @ kernel)


def _scaled(dense: Dense, factor: FloatArray) -> Dense:
    """The same matrix with its outputs multiplied by `factor`."""
    return Dense(dense.kernel * factor, dense.bias * factor)


def _head(weights: EncoderWeights, columns: Columns, stream: _Stream) -> tuple[Dense, ...]:
    """The dense layers of a classifier; the first reads the last LayerNorm."""
    layers = []
    for index in range(len(weights.head_activations)):
        name = f"head.{index}"
        if f"{name}.kernel" not in weights.arrays:
            break
        plain = Dense(weights.arrays[f"{name}.kernel"], weights.arrays[f"{name}.bias"])
        layers.append(_reading(weights, name, columns, stream) if index == 0 else plain)
    return tuple(layers)
