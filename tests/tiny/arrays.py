"""Encoders whose arrays a test has changed by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray


def with_arrays(weights: EncoderWeights, arrays: Mapping[str, FloatArray]) -> EncoderWeights:
    """The encoder with the arrays of these names, as `EncoderWeights.arrays` gives them."""
    return dataclasses.replace(
        weights,
        embeddings=_replaced(weights.embeddings, "embeddings", arrays),
        layers=tuple(
            _replaced(layer, f"layer.{index}", arrays) for index, layer in enumerate(weights.layers)
        ),
        head_layers=tuple(
            _replaced(dense, f"head.{index}", arrays)
            for index, dense in enumerate(weights.head_layers)
        ),
    )


def _replaced(record: Any, name: str, arrays: Mapping[str, FloatArray]) -> Any:
    fields = {}
    for field in dataclasses.fields(record):
        value, path = getattr(record, field.name), f"{name}.{field.name}"
        fields[field.name] = (
            _replaced(value, path, arrays)
            if dataclasses.is_dataclass(value)
            else arrays.get(path, value)
        )
    return dataclasses.replace(record, **fields)
