"""The Keras encoder of weights, and the weights of a Keras encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.compress.train.backends.choose_backend import select_backend
from edge_bert.encoder.keras_model import build_keras_model
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray


def build_student(weights: EncoderWeights, freeze: str = "nothing") -> Any:
    """A Keras encoder with these weights; what `freeze` names is not trained.

    Raises InputError and MissingToolError as `select_backend`.
    """
    select_backend()
    model = build_keras_model(weights)
    from edge_bert.compress.train.optimizer import freeze_parts

    freeze_parts(model, freeze)
    return model


def read_weights(model: Any, weights: EncoderWeights) -> EncoderWeights:
    """`weights` with the values that the Keras encoder has now."""
    from edge_bert.encoder.keras_bert import find_variable

    arrays = {name: read_variable(find_variable(model, name)) for name in weights.arrays}
    return replace_arrays(weights, arrays)


def read_variable(variable: Any) -> FloatArray:
    """The value that a Keras variable has now."""
    import keras

    return np.asarray(keras.ops.convert_to_numpy(variable.value), np.float32)
