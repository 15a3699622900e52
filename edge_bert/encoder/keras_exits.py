"""The head of an exit between two layers, in `keras.ops`."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras

from edge_bert.encoder.keras_head import apply_head_layers, build_head_layers, pool_rows
from edge_bert.encoder.keras_layers import Dense
from edge_bert.encoder.weights import ExitWeights


class ExitValues(NamedTuple):
    """What an exit gives: its output [batch, width] and, of embeddings, the cosine [batch, 1] to
    the whole model's vector that it predicts; else None."""

    output: Any
    agreement: Any


class ExitHead(keras.layers.Layer):
    """The head of an exit, of the kinds and sizes of `weights`, without their values."""

    def __init__(self, weights: ExitWeights, name: str) -> None:
        super().__init__(name=name)
        self.after = weights.after
        self.spec = weights.head
        self.head = build_head_layers(weights.head_layers)
        self.agreement = None
        if weights.agreement is not None:
            inputs, outputs = weights.agreement.kernel.shape
            self.agreement = Dense(inputs, outputs, "agreement", "sigmoid")

    def call(self, rows: Any, bias: Any) -> ExitValues:
        """Rows [batch * length, hidden] and a mask bias [batch, length], as `apply_head`."""
        pooled = pool_rows(rows, bias, self.spec)
        agreement = None if self.agreement is None else self.agreement(pooled)
        return ExitValues(apply_head_layers(pooled, self.spec, self.head), agreement)
