"""The encoder's weights after all rewrites: what the integer graph is built from.

Every LayerNorm has a channel scale: its input arrives as `channel_scale * s`, channel by channel.
The multipliers after it (`to_input` for the matrices that read it, `to_residual` for the sum that
follows) carry gamma and the change to the next channel scale; beta is folded into biases.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_bert.encoder.weights import DenseWeights, HeadDense
from edge_bert.quantize.integer.statistics.split_layout import SplitLayout
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class EqualizedNorm:
    """A LayerNorm between two channel scales; `variances` are those of the calibration tokens.

    `channel_scale`, `to_input` and `to_residual` have an entry for each column of `layout`.
    """

    layout: SplitLayout
    channel_scale: FloatArray
    variances: FloatArray
    to_input: FloatArray
    to_residual: FloatArray


@dataclass(frozen=True)
class FfnGroup:
    """A group of feed-forward neurons: the matrix that they are computed by, and that behind."""

    up: DenseWeights
    down: DenseWeights


@dataclass(frozen=True)
class EqualizedLayer:
    """One transformer layer. `ffn` holds its neurons in groups, outliers apart.

    `relative_bias` is the layer's own: no rewrite changes a score.
    """

    query: DenseWeights
    key: DenseWeights
    value: DenseWeights
    attention_output: DenseWeights
    attention_norm: EqualizedNorm
    ffn: tuple[FfnGroup, ...]
    ffn_norm: EqualizedNorm
    relative_bias: FloatArray | None = None


@dataclass(frozen=True)
class EqualizedProjection:
    """From narrow embeddings to the residual stream, in the channel scale of layer 0.

    `to_input` is the multiplier for the matrices that read it too.
    """

    dense: DenseWeights
    to_input: FloatArray


@dataclass(frozen=True)
class EqualizedEncoder:
    """An encoder after the rewrites; `output_scale` undoes the channel scale of its output.

    The tables, and the matrices that write into the residual stream, have no mean over channels.
    """

    word: FloatArray
    position: FloatArray
    token_type: FloatArray | None
    embedding_norm: EqualizedNorm
    layers: tuple[EqualizedLayer, ...]
    output_beta: FloatArray
    output_scale: FloatArray
    head: tuple[HeadDense, ...]
    projection: EqualizedProjection | None = None
