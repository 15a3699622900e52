"""The Keras encoder of weights, and the weights of a Keras encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_bert.compress.train.backends.choose_backend import select_backend
from edge_bert.encoder.keras_model import build_keras_model
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

    arrays = {
        name: np.asarray(_to_numpy(find_variable(model, name)), np.float32)
        for name in weights.arrays
    }
    return replace_arrays(weights, arrays)


def replace_arrays(weights: EncoderWeights, arrays: Mapping[str, FloatArray]) -> EncoderWeights:
    """`weights` with other values under the same names; layers that were one object stay one."""
    tied = weights.tied_layers
    layers = {
        index: _replace(weights.layers[index], f"layer.{index}", arrays)
        for index in dict.fromkeys(tied)
    }
    return dataclasses.replace(
        weights,
        embeddings=_replace(weights.embeddings, "embeddings", arrays),
        layers=tuple(layers[index] for index in tied),
        head_layers=tuple(
            _replace(layer, f"head.{index}", arrays)
            for index, layer in enumerate(weights.head_layers)
        ),
    )


def _replace(weights: Any, name: str, arrays: Mapping[str, FloatArray]) -> Any:
    values = {}
    for field in dataclasses.fields(weights):
        value, path = getattr(weights, field.name), f"{name}.{field.name}"
        if dataclasses.is_dataclass(value):
            values[field.name] = _replace(value, path, arrays)
        elif isinstance(value, np.ndarray):
            values[field.name] = arrays[path]
    return dataclasses.replace(weights, **values)


def _to_numpy(variable: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(variable.value)
