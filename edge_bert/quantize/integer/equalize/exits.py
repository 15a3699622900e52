"""Exits of an equalized encoder: each as the encoder that ends there, with the exit's head."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import EncoderWeights, ExitWeights, HeadDense
from edge_bert.quantize.integer.equalize.equalize import equalize_head
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder, EqualizedNorm
from edge_bert.quantize.integer.equalize.residual_stream import ResidualStream
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class EqualizedExit:
    """An exit after `after` layers; `agreement` reads what is pooled, where there is one.

    `weights` have the exit's head in the place of the model's, `equalized` the layers before it.
    """

    after: int
    weights: EncoderWeights
    equalized: EqualizedEncoder
    agreement: HeadDense | None


def equalize_exits(
    weights: EncoderWeights, equalized: EqualizedEncoder
) -> tuple[EqualizedExit, ...]:
    """The exits of `weights` on the encoder that the rewrites made of them."""
    return tuple(_equalize_exit(weights, equalized, part) for part in weights.exits)


def _equalize_exit(
    weights: EncoderWeights, equalized: EqualizedEncoder, part: ExitWeights
) -> EqualizedExit:
    own = dataclasses.replace(weights, head=part.head, head_layers=part.head_layers, exits=())
    layers = equalized.layers[: part.after]
    stream = _stream_behind(layers[-1].ffn_norm, weights, part.after - 1)
    ends = dataclasses.replace(
        equalized,
        layers=layers,
        output_beta=stream.layout.expand_regular(stream.beta) * stream.residual,
        output_scale=1.0 / stream.residual,
        head=equalize_head(own, stream),
    )
    agreement = None
    if part.agreement is not None:
        agreement = HeadDense(part.agreement.kernel, part.agreement.bias, "sigmoid")
    return EqualizedExit(part.after, own, ends, agreement)


def _stream_behind(norm: EqualizedNorm, weights: EncoderWeights, layer: int) -> ResidualStream:
    """The stream that the last LayerNorm of a layer writes, by the multipliers behind it."""
    plain = weights.layers[layer].ffn_norm
    gamma = norm.layout.expand(plain.gamma)
    live = np.abs(gamma) > 0

    def scale(factors: FloatArray) -> FloatArray:
        ratio = factors * norm.channel_scale / np.where(live, gamma, 1.0)
        return np.asarray(np.where(live & (factors != 0), ratio, 1.0), np.float32)

    return ResidualStream(norm.layout, scale(norm.to_input), scale(norm.to_residual), plain.beta)
