"""Second moments of what every matrix is multiplied by, over a calibration set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.float_encoder import forward
from edge_bert.quantize.gptq import Moments
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.encoder import EncoderWeights


@dataclass(frozen=True)
class LayerMoments:
    """Sums of x xT over the rows x that the matrices of one layer read.

    `rows` is for query, key and value, `context` for the attention's output, `ffn` and `inner`
    for the two matrices of the feed-forward half.
    """

    rows: Moments
    context: Moments
    ffn: Moments
    inner: Moments

    def of(self, place: int) -> Moments:
        """The moments for the matrix that is number `place` of its layer, from 0 to 5."""
        return (self.rows, self.rows, self.rows, self.context, self.ffn, self.inner)[place]


def collect(weights: EncoderWeights, sentences: Sequence[forward.Sentence]) -> list[LayerMoments]:
    """The moments of every layer in float, from inputs [1, n] by name without padding."""
    states = [(forward.embed(weights, batch), batch.length) for batch in forward.batches(sentences)]
    found = []
    for index in range(weights.shape.layers):
        seen = [_layer(weights, index, rows, length) for rows, length in states]
        found.append(LayerMoments(*map(_moments, zip(*seen, strict=True))))
        states = [(forward.layer(weights, index, rows, length), length) for rows, length in states]
    return found


def _layer(
    weights: EncoderWeights, index: int, rows: FloatArray, length: int
) -> tuple[FloatArray, ...]:
    """The inputs of the layer's matrices."""
    name = f"layer.{index}"
    context = forward.context(weights, index, rows, length)
    output = forward.dense(weights, f"{name}.attention_output", context)
    ffn = forward.norm(weights, f"{name}.attention_norm", rows + output)
    return rows, context, ffn, forward.inner(weights, index, ffn)


def _moments(parts: Sequence[FloatArray]) -> Moments:
    width = parts[0].shape[1]
    total = np.zeros((width, width))
    for rows in parts:
        total += rows.T @ rows
    return total
