"""Gates on heads and neurons: how much the output of a text changes when one of them closes.

A gate is a factor of 1 on a head's context or on a neuron's activation, for all tokens of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from edge_bert.compress.prune.gate_ranking import GateScores
from edge_bert.compress.train.backends.choose_backend import Batch, make_gradient
from edge_bert.compress.train.batches import Array, TokenizedTexts, stack_inputs, stack_rows
from edge_bert.compress.train.forward import BATCH_SIZE, plan_by_length
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.keras_bert import BlockGates
from edge_bert.records.checkpoint import FloatArray

DIRECTION = "direction"


@dataclass(frozen=True)
class GateNames:
    """What the gates of a layer are called in a batch."""

    heads: str
    neurons: str

    @classmethod
    def of(cls, layer: int) -> GateNames:
        """Those of one layer."""
        return cls(f"gates.heads.{layer}", f"gates.neurons.{layer}")


def score_gates(
    model: Any,
    input_names: Sequence[str],
    texts: TokenizedTexts,
    directions: FloatArray,
    power: int,
) -> GateScores:
    """The mean over texts of |g| ** `power`, g being the derivative of the output along the text's
    direction [n, width] with respect to each gate.

    With the gradient of a loss as directions it is that loss's derivative. `model` is a Keras
    encoder with an output [n, width].
    """
    config: EncoderConfig = model.config
    names = [GateNames.of(layer) for layer in range(config.layers)]
    watched = [name for layer in names for name in (layer.heads, layer.neurons)]
    gradient = make_gradient(model, _derivative(model, input_names, names), watched)
    sums = {name: np.zeros(size) for name, size in _gate_sizes(config)}
    for plan in plan_by_length(texts):
        inputs = stack_inputs(texts, plan, BATCH_SIZE, input_names)
        batch = inputs | {DIRECTION: stack_rows(directions, plan, BATCH_SIZE)}
        for name, values in gradient(batch | _open_gates(config)).items():
            sums[name] += np.sum(np.abs(values, dtype=np.float64) ** power, axis=0)
    return GateScores(
        heads=tuple(sums[layer.heads] / len(texts) for layer in names),
        neurons=tuple(sums[layer.neurons] / len(texts) for layer in names),
    )


def _derivative(model: Any, input_names: Sequence[str], names: Sequence[GateNames]) -> Any:
    """The sum of all outputs along their directions, a function of a batch with gates.

    Texts do not touch each other, so the gradient of a text's gates is its own.
    """

    def compute(batch: Batch) -> Any:
        length, size = batch["input_ids"].shape[1], model.config.head_size
        gates = [
            BlockGates(
                context=_spread(ops.repeat(batch[layer.heads], size, axis=-1), length),
                neurons=_spread(batch[layer.neurons], length),
            )
            for layer in names
        ]
        values = model.run(**{name: batch[name] for name in input_names}, changes=gates)
        return ops.sum(values.output * batch[DIRECTION])

    return compute


def _spread(gates: Any, length: int) -> Any:
    """Gates of each text [batch, channels] as rows of its tokens [batch * length, channels]."""
    return ops.repeat(gates, length, axis=0)


def _open_gates(config: EncoderConfig) -> dict[str, Array]:
    return {name: np.ones((BATCH_SIZE, size), np.float32) for name, size in _gate_sizes(config)}


def _gate_sizes(config: EncoderConfig) -> Iterator[tuple[str, int]]:
    for layer, (heads, neurons) in enumerate(zip(config.heads, config.ffn, strict=True)):
        names = GateNames.of(layer)
        yield names.heads, heads
        yield names.neurons, neurons
