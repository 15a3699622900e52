"""Encoders with other values in some of their arrays, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_bert.encoder.weights import EncoderWeights, ExitWeights
from edge_bert.records.checkpoint import FloatArray


def replace_arrays(weights: EncoderWeights, arrays: Mapping[str, FloatArray]) -> EncoderWeights:
    """`weights` with other values for the arrays of these names, as `EncoderWeights.arrays` has
    them; layers that were one object stay one."""
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
        exits=tuple(_replace_exit(x, f"exit.{i}", arrays) for i, x in enumerate(weights.exits)),
    )


def _replace_exit(weights: ExitWeights, name: str, arrays: Mapping[str, FloatArray]) -> ExitWeights:
    return dataclasses.replace(
        weights,
        head_layers=tuple(
            _replace(layer, f"{name}.head.{index}", arrays)
            for index, layer in enumerate(weights.head_layers)
        ),
        agreement=weights.agreement and _replace(weights.agreement, f"{name}.agreement", arrays),
    )


def _replace(weights: Any, name: str, arrays: Mapping[str, FloatArray]) -> Any:
    values = {}
    for field in dataclasses.fields(weights):
        value, path = getattr(weights, field.name), f"{name}.{field.name}"
        if dataclasses.is_dataclass(value):
            values[field.name] = _replace(value, path, arrays)
        elif isinstance(value, np.ndarray):
            values[field.name] = arrays.get(path, value)
    return dataclasses.replace(weights, **values)
