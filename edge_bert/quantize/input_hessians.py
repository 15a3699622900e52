"""Second moments of what every matrix is multiplied by, over a calibration set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder import numpy_forward
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.gptq import Hessian
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class LayerHessians:
    """Sums of x xT over the rows x that the matrices of one layer read.

    `rows` is for query, key and value, `context` for the attention's output, `ffn` and `inner`
    for the two matrices of the feed-forward half. `rows` and `ffn` leave a LayerNorm, whose gamma
    and beta the converter likes to fold into the matrices: `unit_rows` and `unit_ffn` are before
    both.
    """

    rows: Hessian
    unit_rows: Hessian
    context: Hessian
    ffn: Hessian
    unit_ffn: Hessian
    inner: Hessian

    def of(self, place: int, *, unit: bool) -> Hessian:
        """The moments for the matrix that is number `place` of its layer, from 0 to 5.

        `unit` says that it reads what LayerNorm gives before gamma and beta.
        """
        rows, ffn = (self.unit_rows, self.unit_ffn) if unit else (self.rows, self.ffn)
        return (rows, rows, rows, self.context, ffn, self.inner)[place]


def collect_hessians(
    weights: EncoderWeights, sentences: Sequence[numpy_forward.Sentence]
) -> list[LayerHessians]:
    """The moments of every layer in float, from inputs [1, n] by name without padding."""
    states = [
        (numpy_forward.embed_tokens(weights, batch), batch.length)
        for batch in numpy_forward.batch_by_length(sentences)
    ]
    found = []
    for index in range(weights.config.layers):
        seen = [_layer(weights, index, rows, length) for rows, length in states]
        found.append(LayerHessians(*map(_moments, zip(*seen, strict=True))))
        states = [
            (numpy_forward.run_layer(weights, index, rows, length), length)
            for rows, length in states
        ]
    return found


def _layer(
    weights: EncoderWeights, index: int, rows: FloatArray, length: int
) -> tuple[FloatArray, ...]:
    """The inputs of the layer's matrices, in the order of LayerMoments."""
    before = f"layer.{index - 1}.ffn_norm" if index else "embeddings.norm"
    within = f"layer.{index}.attention_norm"
    context = numpy_forward.attention_context(weights, index, rows, length)
    output = numpy_forward.apply_dense(weights, f"layer.{index}.attention_output", context)
    ffn = numpy_forward.apply_layer_norm(weights, within, rows + output)
    inner = numpy_forward.ffn_intermediate(weights, index, ffn)
    projected = index == 0 and weights.config.embedding is not None  # a matrix's rows, as they are
    unit_rows = rows if projected else _unit(weights, before, rows)
    return rows, unit_rows, context, ffn, _unit(weights, within, ffn), inner


def _unit(weights: EncoderWeights, name: str, rows: FloatArray) -> FloatArray:
    """What a LayerNorm gave before gamma and beta; 0 where gamma is 0."""
    gamma, beta = weights.arrays[f"{name}.gamma"], weights.arrays[f"{name}.beta"]
    return np.where(gamma == 0, 0, (rows - beta) / np.where(gamma == 0, 1, gamma))


def _moments(parts: Sequence[FloatArray]) -> Hessian:
    width = parts[0].shape[1]
    total = np.zeros((width, width))
    for rows in parts:
        total += rows.T @ rows
    return total
