"""The heads of exits alone in Keras: pooled rows in, the answers of each exit out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_bert.compress.train.keras_student import read_variable
from edge_bert.encoder.keras_bert import find_variable, load_weights
from edge_bert.encoder.keras_exits import ExitHead
from edge_bert.encoder.keras_head import apply_head_layers
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray


class ExitHeads:
    """The heads of an encoder's exits, which a loop trains as it does an encoder.

    Predictors of agreement are not trained here: they are fitted to what the heads give.
    """

    def __init__(self, weights: EncoderWeights) -> None:
        self.exits = [ExitHead(x, f"exit_{index}") for index, x in enumerate(weights.exits)]
        load_weights(self, list_exit_arrays(weights))

    @property
    def head_layers(self) -> list[Any]:
        """All layers, which an optimizer gives the rate of heads."""
        return [layer for head in self.exits for layer in head.head]

    @property
    def trainable_variables(self) -> list[Any]:
        """Those of all layers, in order."""
        return [variable for layer in self.head_layers for variable in layer.trainable_variables]

    @property
    def variables(self) -> list[Any]:
        """Those that are trained: no others take part."""
        return self.trainable_variables

    def answer(self, pooled: Sequence[Any]) -> list[Any]:
        """The pooled rows of each exit [batch, channels] to its answers [batch, width]."""
        return [
            apply_head_layers(rows, head.spec, head.head)
            for rows, head in zip(pooled, self.exits, strict=True)
        ]


def read_heads(model: ExitHeads, weights: EncoderWeights) -> EncoderWeights:
    """`weights` with the values that the Keras heads have now in its exits."""
    names = list_exit_arrays(weights)
    values = {name: read_variable(find_variable(model, name)) for name in names}
    return replace_arrays(weights, values)


def list_exit_arrays(weights: EncoderWeights) -> dict[str, FloatArray]:
    """The arrays of the exits alone, by their names in the encoder."""
    return {name: array for name, array in weights.arrays.items() if name.startswith("exit.")}
