"""Hessians of the layers' matrices: second moments of their inputs over a calibration set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.config import EncoderConfig, MatrixRole
from edge_bert.encoder.numpy_forward import (
    LayerValues,
    Sentence,
    batch_by_length,
    embed_tokens,
    run_layers,
)
from edge_bert.encoder.weights import EncoderWeights, LayerNormWeights
from edge_bert.quantize.fixed_order import sum_in_order
from edge_bert.quantize.gptq import Hessian
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class LayerHessians:
    """Sums of x xT over the rows x that the matrices of one layer read, each [inputs, inputs].

    `attention_input` is for query, key and value. It and `ffn_input` leave a LayerNorm, whose gamma
    and beta the converter likes to fold into the matrices: the `unit_` fields are before both.
    """

    attention_input: Hessian
    unit_attention_input: Hessian
    context: Hessian
    ffn_input: Hessian
    unit_ffn_input: Hessian
    neurons: Hessian

    @classmethod
    def zeros(cls, config: EncoderConfig, layer: int) -> LayerHessians:
        """Sums over no rows."""

        def square(role: MatrixRole) -> Hessian:
            inputs, _ = config.matrix_shape(role, layer)
            return np.zeros((inputs, inputs))

        return cls(
            attention_input=square(MatrixRole.QUERY),
            unit_attention_input=square(MatrixRole.QUERY),
            context=square(MatrixRole.ATTENTION_OUTPUT),
            ffn_input=square(MatrixRole.FFN_IN),
            unit_ffn_input=square(MatrixRole.FFN_IN),
            neurons=square(MatrixRole.FFN_OUT),
        )

    def of(self, role: MatrixRole, *, unit: bool) -> Hessian:
        """The Hessian of one matrix; `unit` where gamma and beta are folded into it."""
        match role:
            case MatrixRole.QUERY | MatrixRole.KEY | MatrixRole.VALUE:
                return self.unit_attention_input if unit else self.attention_input
            case MatrixRole.ATTENTION_OUTPUT:
                return self.context
            case MatrixRole.FFN_IN:
                return self.unit_ffn_input if unit else self.ffn_input
            case MatrixRole.FFN_OUT:
                return self.neurons

    def update(
        self, values: LayerValues, before: LayerNormWeights | None, within: LayerNormWeights
    ) -> None:
        """Add the rows of a batch; `before` is the LayerNorm that gave the layer's input.

        It is None behind a projection, into which nothing is folded.
        """
        layer_input, ffn_input = values.attention.input, values.ffn.input
        unit_input = layer_input if before is None else _unit(before, layer_input)
        for total, rows in (
            (self.attention_input, layer_input),
            (self.unit_attention_input, unit_input),
            (self.context, values.attention.hidden),
            (self.ffn_input, ffn_input),
            (self.unit_ffn_input, _unit(within, ffn_input)),
            (self.neurons, values.ffn.hidden),
        ):
            np.add(total, rows.T @ rows, out=total)


@sum_in_order
def collect_hessians(weights: EncoderWeights, sentences: Sequence[Sentence]) -> list[LayerHessians]:
    """The Hessians of every layer in float, from inputs [1, n] by name without padding."""
    hessians = [LayerHessians.zeros(weights.config, index) for index in range(len(weights.layers))]
    first = None if weights.embeddings.projection else weights.embeddings.norm
    before = [first, *(layer.ffn_norm for layer in weights.layers)]
    for batch in batch_by_length(sentences):
        rows = embed_tokens(weights, batch).output
        for index, values in enumerate(run_layers(weights, rows, batch.length)):
            within = weights.layers[index].attention_norm
            hessians[index].update(values, before[index], within)
    return hessians


def _unit(norm: LayerNormWeights, rows: FloatArray) -> FloatArray:
    """What a LayerNorm gave before gamma and beta; 0 where gamma is 0.

    The pass has these rows too, but rounded otherwise: taking gamma and beta off again keeps the
    bytes of published 4-bit files.
    """
    live = norm.gamma != 0
    return np.where(live, (rows - norm.beta) / np.where(live, norm.gamma, 1), 0)
