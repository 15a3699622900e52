"""What each head and each neuron is worth, from one pass over a calibration set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.compress.prune.covariance import Double, RunningMoments
from edge_bert.compress.prune.obs import RemovalOrder, order_removals
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress
from edge_bert.records.checkpoint import FloatArray

DAMPING = 0.01  # of the mean variance: few sentences must not make a neuron look superfluous
STEPS = 64  # in which all neurons of a layer go; elimination.py says what a step leaves out


@dataclass(frozen=True)
class Inputs:
    """The inputs of one matrix over the calibration tokens, and in which order they can go.

    `covariance` is float64 [inputs, inputs], `mean` [inputs]. Tokens weigh as LayerNorm lets them:
    by one over the variance of the sum that the matrix adds to.
    """

    covariance: Double
    mean: Double
    elimination: RemovalOrder


@dataclass(frozen=True)
class Importance:
    """For every layer, the inputs of its attention output and of its feed-forward output."""

    heads: tuple[Inputs, ...]
    neurons: tuple[Inputs, ...]


def measure_importance(
    weights: EncoderWeights, sentences: Sequence[Sentence], progress: Progress = no_progress
) -> Importance:
    """Run the float encoder on `sentences`, inputs [1, n] by name, and rank heads and neurons.

    Done once for a model: every smaller structure is cut from what it gives. The memory is that
    of a float64 matrix [neurons, neurons] for each layer, whatever the number of sentences.
    """
    shape = weights.config
    heads = [RunningMoments.of(count * shape.head_size) for count in shape.heads]
    neurons = [RunningMoments.of(count) for count in shape.ffn]
    progress("importance: running the calibration set")
    for batch in numpy_forward.batch_by_length(sentences):
        rows = numpy_forward.embed_tokens(weights, batch)
        for index in range(shape.layers):
            rows = _layer(weights, index, rows, batch.length, heads[index], neurons[index])
    ranked: dict[str, list[Inputs]] = {"attention": [], "ffn": []}
    for index in range(shape.layers):
        progress(f"importance: ranking the heads and neurons of layer {index}")
        size = shape.head_size
        ranked["attention"].append(_rank(weights, index, "attention", heads[index], size))
        ranked["ffn"].append(_rank(weights, index, "ffn", neurons[index], 1))
    return Importance(tuple(ranked["attention"]), tuple(ranked["ffn"]))


def _layer(
    weights: EncoderWeights,
    index: int,
    rows: FloatArray,
    length: int,
    heads: RunningMoments,
    neurons: RunningMoments,
) -> FloatArray:
    """One layer; both moments see the inputs of its output matrices."""
    for half, moments in (("attention", heads), ("ffn", neurons)):
        inputs = half_inputs(weights, index, half, rows, length)
        total = rows + numpy_forward.apply_dense(weights, output_of(index, half), inputs)
        moments.update(inputs, token_weights(total))
        rows = numpy_forward.apply_layer_norm(weights, f"layer.{index}.{half}_norm", total)
    return rows


def half_inputs(
    weights: EncoderWeights, index: int, half: str, rows: FloatArray, length: int
) -> FloatArray:
    """What the output matrix of a layer's `attention` or `ffn` half reads."""
    if half == "attention":
        return numpy_forward.attention_context(weights, index, rows, length)
    return numpy_forward.ffn_intermediate(weights, index, rows)


def output_of(index: int, half: str) -> str:
    """The name of the matrix that ends a half."""
    return f"layer.{index}.{'attention_output' if half == 'attention' else 'ffn_out'}"


def token_weights(total: FloatArray) -> FloatArray:
    """One over the variance of each row [n, hidden]: LayerNorm divides errors by its root."""
    return np.asarray(1.0 / np.maximum(total.var(axis=-1), 1e-6), np.float32)


def _rank(
    weights: EncoderWeights, index: int, half: str, moments: RunningMoments, size: int
) -> Inputs:
    covariance = moments.covariance(DAMPING)
    gamma = weights.arrays[f"layer.{index}.{half}_norm.gamma"]
    kernel = (weights.arrays[f"{output_of(index, half)}.kernel"] * gamma).astype(np.float64)
    at_once = 1 if size > 1 else max(1, len(kernel) // STEPS)
    found = order_removals(covariance, kernel, size, at_once)
    return Inputs(covariance, moments.mean, found)
