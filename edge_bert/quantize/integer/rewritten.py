"""The encoder's weights after all rewrites: what the integer graph is built from.

Every LayerNorm has a migration: its input arrives as `migration * s`, channel by channel. The
multipliers after it (`to_input` for the matrices that read it, `to_residual` for the sum that
follows) carry gamma and the change to the next migration; beta is folded into biases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.quantize.integer.migrate import balance, equalize, exact_factors, smooth
from edge_bert.quantize.integer.statistics import ChannelPeaks
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.encoder import EncoderWeights

OUTLIER_NEURON = 1.4  # times the 99.5th percentile of the neurons' peaks


@dataclass(frozen=True)
class Dense:
    """A matrix [in, out] and a bias [out]."""

    kernel: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class Norm:
    """A LayerNorm over an input of `migration`; `variances` are those of the calibration tokens."""

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
    """A whole encoder after the rewrites; `output_scale` undoes the migration of its output."""

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
    start = equalize(peaks["embeddings.norm"])
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
    types = arrays.get("embeddings.token_type")
    return Rewritten(
        word=arrays["embeddings.word"] * start,
        position=arrays["embeddings.position"] * start,
        token_type=None if types is None else types * start,
        embedding_norm=embedding_norm,
        blocks=tuple(blocks),
        output_beta=stream.beta * stream.residual,
        output_scale=1.0 / stream.residual,
        head=_head(weights, stream),
        projection=projection,
    )


def _project(
    weights: EncoderWeights, peaks: ChannelPeaks, start: FloatArray
) -> tuple[Norm, Projection, _Stream]:
    """The LayerNorm of narrow embeddings, which nothing but the projection reads."""
    name, place = "embeddings.norm", "embeddings.projection"
    gamma, beta = weights.arrays[f"{name}.gamma"], weights.arrays[f"{name}.beta"]
    wanted = smooth(peaks[f"{name}.scaled"], weights.arrays[f"{place}.kernel"])
    narrow = exact_factors(gamma, start, wanted)
    norm = Norm(start, np.concatenate(peaks.variances[name]), narrow.vector, narrow.vector)
    residual = equalize(peaks["layer.0.attention_norm"])
    read = _Stream(input=narrow.result, residual=residual, beta=beta)
    made = _scaled(_reading(weights, place, read), residual)
    wanted = smooth(peaks[place], weights.arrays["layer.0.query.kernel"])
    wide = exact_factors(np.ones_like(residual), residual, wanted)
    stream = _Stream(input=wide.result, residual=residual, beta=np.zeros_like(residual))
    return norm, Projection(made, wide.vector), stream


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


def _norm(
    weights: EncoderWeights,
    peaks: ChannelPeaks,
    name: str,
    migration: FloatArray,
    reader: FloatArray | None,
) -> tuple[Norm, _Stream]:
    gamma, beta = weights.arrays[f"{name}.gamma"], weights.arrays[f"{name}.beta"]
    following = equalize(peaks[_next_norm(name, weights.shape.layers)])
    residual = exact_factors(gamma, migration, following)
    wanted = np.ones_like(gamma) if reader is None else smooth(peaks[f"{name}.scaled"], reader)
    to_input = exact_factors(gamma, migration, wanted)
    norm = Norm(
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
    query = _scaled(_reading(weights, f"{name}.query", stream), share * scale)
    key = _scaled(_reading(weights, f"{name}.key", stream), 1.0 / share)
    value = _scaled(_reading(weights, f"{name}.value", stream), even)
    arrays = weights.arrays
    kernel = arrays[f"{name}.attention_output.kernel"] / even[:, None]
    bias = arrays[f"{name}.attention_output.bias"] + stream.beta
    return query, key, value, _scaled(Dense(kernel, bias), stream.residual)


def _ffn(
    weights: EncoderWeights, peaks: ChannelPeaks, name: str, stream: _Stream
) -> tuple[tuple[Dense, Dense], ...]:
    """The feed-forward half; neurons whose peaks stand far out get matrices of their own."""
    rise = _reading(weights, f"{name}.ffn_in", stream)
    fall = weights.arrays[f"{name}.ffn_out.kernel"]
    bias = weights.arrays[f"{name}.ffn_out.bias"] + stream.beta
    found = peaks[f"{name}.inner"]
    outliers = found > OUTLIER_NEURON * np.quantile(found, 0.995)
    groups = [~outliers, outliers] if outliers.any() else [~outliers]
    return tuple(
        (
            Dense(rise.kernel[:, group], rise.bias[group]),
            _scaled(
                Dense(fall[group], bias if not first else np.zeros_like(bias)), stream.residual
            ),
        )
        for first, group in enumerate(groups)
    )


def _reading(weights: EncoderWeights, name: str, stream: _Stream) -> Dense:
    """A matrix that reads a LayerNorm's output: undoes its migration, takes its beta."""
    kernel, bias = weights.arrays[f"{name}.kernel"], weights.arrays[f"{name}.bias"]
    return Dense(kernel / stream.input[:, None], bias + stream.beta @ kernel)


def _scaled(dense: Dense, factor: FloatArray) -> Dense:
    """The same matrix with its outputs multiplied by `factor`."""
    return Dense(dense.kernel * factor, dense.bias * factor)


def _head(weights: EncoderWeights, stream: _Stream) -> tuple[Dense, ...]:
    """The dense layers of a classifier; the first reads the last LayerNorm."""
    layers = []
    for index in range(len(weights.head_activations)):
        name = f"head.{index}"
        if f"{name}.kernel" not in weights.arrays:
            break
        plain = Dense(weights.arrays[f"{name}.kernel"], weights.arrays[f"{name}.bias"])
        layers.append(_reading(weights, name, stream) if index == 0 else plain)
    return tuple(layers)
