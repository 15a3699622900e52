"""Exits before training: where their layers start, and which models can have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_bert.compress.train.batches import Array, spread_rows
from edge_bert.compress.train.new_head import fit_targets
from edge_bert.encoder.weights import EncoderWeights, ExitWeights, HeadDense
from edge_bert.records.checkpoint import FloatArray, Task

MOST_FITTED = 20_000  # texts of a fit in closed form
ACTIVATION = "tanh"  # of a classifier's hidden layer, as in BERT's pooler


def start_exits(
    weights: EncoderWeights,
    after: Sequence[int],
    outputs: Mapping[str, Array],
    neurons: int,
    seed: int,
) -> tuple[ExitWeights, ...]:
    """Exits `after` so many layers, for a head as the model's own.

    A classifier's has a hidden layer of `neurons`, drawn by `seed` (Glorot & Bengio 2010), because
    early rows hold classes less plainly than the last; with 0 it is linear, as in PABEE
    (arXiv:2006.04152). An embedding's is the linear map that is nearest to the model's vectors.
    `outputs` are those of the whole model with its pooled rows, as `run_teachers` gives them.
    """
    random = np.random.default_rng(seed)
    exits = []
    for layers in after:
        pooled, output = outputs[f"pooled.{layers - 1}"], outputs["output"]
        if weights.head.task is Task.EMBEDDING:
            rows = spread_rows(len(pooled), MOST_FITTED)
            head_layers = _fit_map(pooled[rows], output[rows])
        else:
            head_layers = _draw_layers(random, pooled.shape[1], neurons, output.shape[1])
        exits.append(ExitWeights(layers, weights.head, head_layers))
    return tuple(exits)


def _fit_map(pooled: FloatArray, vectors: FloatArray) -> tuple[HeadDense, ...]:
    dense = fit_targets(pooled, vectors)
    return (HeadDense(dense.kernel, dense.bias),)


def _draw_layers(
    random: np.random.Generator, inputs: int, neurons: int, outputs: int
) -> tuple[HeadDense, ...]:
    if not neurons:
        return (_draw_dense(random, inputs, outputs, "linear"),)
    return (
        _draw_dense(random, inputs, neurons, ACTIVATION),
        _draw_dense(random, neurons, outputs, "linear"),
    )


def _draw_dense(
    random: np.random.Generator, inputs: int, outputs: int, activation: str
) -> HeadDense:
    bound = (6.0 / (inputs + outputs)) ** 0.5
    kernel = random.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
    return HeadDense(kernel, np.zeros(outputs, np.float32), activation)
