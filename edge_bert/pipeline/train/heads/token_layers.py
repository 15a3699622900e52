"""New last layers on the vectors of tokens."""

from __future__ import annotations

import numpy as np

from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.new_head import add_layer, fit_targets, strip_to_tokens
from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.pipeline.train.heads.head_kind import compute_vectors
from edge_bert.records.checkpoint import FloatArray, Head

MOST_TEXTS = 2000  # whose tokens a new layer is fitted to; they bound the memory
NO_TARGET = -1.0
SLOPE = 4.0  # of logits by probabilities near one half


def sample_examples(examples: LabelledTexts) -> LabelledTexts:
    """At most MOST_TEXTS of the examples, evenly from all."""
    count = min(len(examples), MOST_TEXTS)
    return examples.select(np.linspace(0, len(examples) - 1, count).astype(np.int64))


def add_token_layer(
    weights: EncoderWeights, head: Head, examples: LabelledTexts, targets: FloatArray
) -> EncoderWeights:
    """The encoder with a layer that is nearest to targets [tokens, width], NO_TARGET aside."""
    stripped = strip_to_tokens(weights)
    counted = (targets != NO_TARGET).all(axis=1)
    fitted = fit_targets(compute_vectors(stripped, examples)[counted], targets[counted])
    dense = DenseWeights(fitted.kernel * SLOPE, fitted.bias * SLOPE)
    return add_layer(stripped, head, dense)
