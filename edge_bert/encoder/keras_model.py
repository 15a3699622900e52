"""The Keras model of a checkpoint, whatever its architecture."""

from __future__ import annotations

import os
from typing import Any

from edge_bert.encoder.architectures.registry import CUSTOM
from edge_bert.encoder.checkpoint import custom_weights, encoder_weights
from edge_bert.encoder.exits import list_stages
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.encoder.weights import CustomWeights, EncoderWeights
from edge_bert.records.checkpoint import Checkpoint

Weights = EncoderWeights | CustomWeights


def build_keras_model(model: Checkpoint | Weights) -> Any:
    """The Keras model of a checkpoint, or of weights under our names; trainable."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import_tensorflow()
    from edge_bert.encoder.keras_bert import Encoder, load_weights

    # Before the encoder: a wrong config.json must not make it ask for any amount of memory.
    weights = read_weights_of(model)
    list_stages(weights)  # refuses exits that are not inside the model
    if isinstance(weights, CustomWeights):
        encoder = CUSTOM[weights.architecture].build_model(weights)
    else:
        encoder = Encoder(
            weights.config,
            weights.head,
            weights.head_layers,
            weights.tied_layers,
            weights.tied_biases,
            weights.exits,
        )
    load_weights(encoder, weights.arrays)
    return encoder


def read_weights_of(model: Checkpoint | Weights) -> Weights:
    """The weights of a checkpoint; weights as they are."""
    if not isinstance(model, Checkpoint):
        return model
    return custom_weights(model) if model.architecture in CUSTOM else encoder_weights(model)
