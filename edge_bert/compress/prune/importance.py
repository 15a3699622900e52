"""The importance of every head and neuron, from one pass over a calibration set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.compress.prune.covariance import Double, RunningMoments
from edge_bert.compress.prune.obs import RemovalOrder, order_removals
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence, SublayerValues
from edge_bert.encoder.weights import EncoderWeights, LayerWeights, Sublayer
from edge_bert.progress import Progress, no_progress
from edge_bert.records.checkpoint import FloatArray

DAMPING = 0.01  # of the mean variance: few sentences must not make a neuron look superfluous
ROUNDS = 64  # in which all neurons of a layer go; obs.py says what a round leaves out


@dataclass(frozen=True)
class InputImportance:
    """The inputs of one matrix over the calibration tokens, and the order in which they can go.

    `covariance` is float64 [inputs, inputs], `mean` [inputs]. Tokens weigh as LayerNorm lets them:
    by one over the variance of the sum that the matrix adds to.
    """

    covariance: Double
    mean: Double
    removals: RemovalOrder


@dataclass(frozen=True)
class Importance:
    """For every layer, the inputs of its attention output and of its feed-forward output."""

    heads: tuple[InputImportance, ...]
    neurons: tuple[InputImportance, ...]


def measure_importance(
    weights: EncoderWeights, sentences: Sequence[Sentence], progress: Progress = no_progress
) -> Importance:
    """Run the float encoder on `sentences`, inputs [1, n] by name, and rank heads and neurons.

    Once for a model: every smaller structure is cut from the result. The memory is that of a
    float64 matrix [neurons, neurons] for each layer, whatever the number of sentences.
    """
    config = weights.config
    heads = [RunningMoments.of(count * config.head_size) for count in config.heads]
    neurons = [RunningMoments.of(count) for count in config.ffn]
    progress("importance: running the calibration set")
    for batch in numpy_forward.batch_by_length(sentences):
        rows = numpy_forward.embed_tokens(weights, batch).output
        for index, values in enumerate(numpy_forward.run_layers(weights, rows, batch.length)):
            _add_inputs(heads[index], values.attention)
            _add_inputs(neurons[index], values.ffn)
    ranked_heads, ranked_neurons = [], []
    for index, layer in enumerate(weights.layers):
        progress(f"importance: ranking the heads and neurons of layer {index}")
        ranked_heads.append(_rank_inputs(layer, Sublayer.ATTENTION, heads[index], config.head_size))
        ranked_neurons.append(_rank_inputs(layer, Sublayer.FFN, neurons[index], 1))
    return Importance(tuple(ranked_heads), tuple(ranked_neurons))


def _add_inputs(moments: RunningMoments, values: SublayerValues) -> None:
    """Add the inputs of a sublayer's output matrix."""
    moments.update(values.hidden, token_weights(values.norm.input))


def token_weights(total: FloatArray) -> FloatArray:
    """One over the variance of each row [n, hidden]: LayerNorm divides errors by its root."""
    return np.asarray(1.0 / np.maximum(total.var(axis=-1), 1e-6), np.float32)


def _rank_inputs(
    layer: LayerWeights, sublayer: Sublayer, moments: RunningMoments, size: int
) -> InputImportance:
    """The inputs in groups of `size`; heads go one at a time, neurons in ROUNDS rounds."""
    covariance = moments.covariance(DAMPING)
    # Errors count as the next layer sees them: scaled by the LayerNorm's gamma.
    kernel = (layer.output(sublayer).kernel * layer.norm(sublayer).gamma).astype(np.float64)
    at_once = 1 if size > 1 else max(1, len(kernel) // ROUNDS)
    removals = order_removals(covariance, kernel, size, at_once)
    return InputImportance(covariance, moments.mean, removals)
