"""The plain weights of an encoder whose matrices were changed after the rewrites.

Requires: the encoder before and after its rewrites, and the one after with other matrices. Ensures:
plain weights that give the same in float, as far as the columns of a split channel still agree, and
what is added to the residual still has no mean: the rewritten LayerNorm takes none off it.
The factors of the rewrites are read off the two encoders, so that nothing of them is said twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.weights import (
    DenseWeights,
    EncoderWeights,
    HeadDense,
    HeadLayer,
    LayerWeights,
)
from edge_bert.quantize.integer.equalize.equalized_encoder import (
    EqualizedEncoder,
    EqualizedLayer,
    EqualizedNorm,
    EqualizedProjection,
    FfnGroup,
)
from edge_bert.quantize.integer.statistics.split_layout import SplitLayout
from edge_bert.records.checkpoint import FloatArray

DEAD = 1e-9  # a gamma below it lets nothing through


@dataclass(frozen=True)
class _Stream:
    """The stream behind a LayerNorm: its columns, their scale for matrices and for the sum."""

    layout: SplitLayout
    input: FloatArray
    residual: FloatArray
    beta: FloatArray
    live: npt.NDArray[np.bool_]


def undo_rewrites(
    weights: EncoderWeights, rewritten: EqualizedEncoder, changed: EqualizedEncoder
) -> EncoderWeights:
    """`weights`, of which `rewritten` was made, with the matrices and biases of `changed`.

    Feed-forward neurons stand in the order of the groups, outliers last.
    """
    norm = weights.embeddings.norm
    stream = _read_stream(rewritten.embedding_norm, norm.gamma, norm.beta)
    embeddings = weights.embeddings
    if embeddings.projection is not None and rewritten.projection and changed.projection:
        layout = rewritten.layers[0].attention_norm.layout
        dense, stream = _undo_projection(
            embeddings.projection, stream, layout, rewritten.projection, changed.projection
        )
        embeddings = dataclasses.replace(embeddings, projection=dense)
    layers = []
    for layer, before, after in zip(weights.layers, rewritten.layers, changed.layers, strict=True):
        plain, stream = _undo_layer(layer, before, after, stream)
        layers.append(plain)
    head = _undo_head(weights, stream, changed.head)
    return dataclasses.replace(
        weights, embeddings=embeddings, layers=tuple(layers), head_layers=head
    )


def _read_stream(norm: EqualizedNorm, gamma: FloatArray, beta: FloatArray) -> _Stream:
    columns = norm.layout.expand(gamma)
    live = np.abs(columns) > DEAD
    ratio = np.asarray(norm.channel_scale / np.where(live, columns, 1.0), np.float32)
    return _Stream(norm.layout, norm.to_input * ratio, norm.to_residual * ratio, beta, live)


def _undo_layer(
    layer: LayerWeights, before: EqualizedLayer, after: EqualizedLayer, stream: _Stream
) -> tuple[LayerWeights, _Stream]:
    value_scale = _output_scales(layer.value, before.value, stream)
    query, key, value = (
        _undo_reader(new, _output_scales(plain, old, stream), stream)
        for plain, old, new in (
            (layer.query, before.query, after.query),
            (layer.key, before.key, after.key),
            (layer.value, before.value, after.value),
        )
    )
    output = _undo_writer(after.attention_output, stream)
    output = DenseWeights(output.kernel * value_scale[:, None], output.bias)
    norm = layer.attention_norm
    inner = _read_stream(before.attention_norm, norm.gamma, norm.beta)
    up, down = _undo_ffn(after.ffn, inner)
    norm = layer.ffn_norm
    plain = dataclasses.replace(
        layer,
        query=query,
        key=key,
        value=value,
        attention_output=output,
        ffn_in=up,
        ffn_out=down,
    )
    return plain, _read_stream(before.ffn_norm, norm.gamma, norm.beta)


def _undo_ffn(groups: Sequence[FfnGroup], stream: _Stream) -> tuple[DenseWeights, DenseWeights]:
    raised = DenseWeights(
        np.concatenate([group.up.kernel for group in groups], axis=1),
        np.concatenate([group.up.bias for group in groups]),
    )
    lowered = DenseWeights(
        np.concatenate([group.down.kernel for group in groups]),
        np.sum([group.down.bias for group in groups], axis=0),
    )
    ones = np.ones(len(raised.bias), np.float32)
    return _undo_reader(raised, ones, stream), _undo_writer(lowered, stream)


def _undo_projection(
    plain: DenseWeights,
    narrow: _Stream,
    layout: SplitLayout,
    before: EqualizedProjection,
    after: EqualizedProjection,
) -> tuple[DenseWeights, _Stream]:
    """The projection of narrow embeddings, and the stream that it writes, which no norm scales."""
    hidden = layout.hidden
    regular = DenseWeights(before.dense.kernel[:, :hidden], before.dense.bias[:hidden])
    residual = layout.expand(_output_scales(plain, regular, narrow))
    trained = DenseWeights(after.dense.kernel[:, :hidden], after.dense.bias[:hidden])
    dense = _undo_reader(trained, residual[:hidden], narrow)
    ones = np.ones(len(residual), np.bool_)
    beta = np.zeros(hidden, np.float32)
    return dense, _Stream(layout, residual * before.to_input, residual, beta, ones)


def _undo_head(
    weights: EncoderWeights, stream: _Stream, head: Sequence[HeadDense]
) -> tuple[HeadLayer, ...]:
    """The layers of a classifier, whose first reads the stream; an embedding's were not changed."""
    if not head:
        return weights.head_layers
    first, *rest = head
    read = _undo_reader(first, np.ones(len(first.bias), np.float32), stream)
    changed = iter([dataclasses.replace(first, kernel=read.kernel, bias=read.bias), *rest])
    return tuple(
        next(changed) if isinstance(layer, HeadDense) else layer for layer in weights.head_layers
    )


def _undo_reader(dense: DenseWeights, scales: FloatArray, stream: _Stream) -> DenseWeights:
    """A matrix that reads columns of the stream as one that reads channels.

    What reads a channel that lets nothing through is 0: its beta stays in the bias.
    """
    factors = np.where(stream.live, stream.input, 0.0)[:, None]
    columns = np.asarray(dense.kernel / scales * factors, np.float32)
    kernel = columns[: stream.layout.hidden]
    return DenseWeights(kernel, np.asarray(dense.bias / scales - stream.beta @ kernel, np.float32))


def _undo_writer(dense: DenseWeights, stream: _Stream) -> DenseWeights:
    """A matrix that writes columns of the stream as one that writes channels, without beta."""
    kernel = _join_columns(dense.kernel / stream.residual, stream.layout)
    bias = _join_columns((dense.bias / stream.residual)[None], stream.layout)[0]
    return DenseWeights(kernel, bias - stream.beta)


def _join_columns(rows: FloatArray, layout: SplitLayout) -> FloatArray:
    """Columns [n, columns] as channels; the total column of a split one has all that it holds."""
    channels = np.array(rows[:, : layout.hidden], np.float32)
    channels[:, list(layout.outliers)] = rows[:, layout.total_columns]
    return channels


def _output_scales(plain: DenseWeights, before: DenseWeights, stream: _Stream) -> FloatArray:
    """What the rewrites multiplied each output of a matrix by [out]: 1 for one of zeros."""
    columns = stream.layout.expand_kernel(plain.kernel)[stream.live]
    read = columns / stream.input[stream.live, None]
    squares = np.square(read).sum(axis=0)
    scales = (read * before.kernel[stream.live]).sum(axis=0) / np.where(squares > 0, squares, 1.0)
    return np.asarray(np.where(squares > 0, scales, 1.0), np.float32)
