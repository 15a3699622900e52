"""Rotary positions and gates as config.json describes them, in transformers 5 or before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.architectures.config_json import ACTIVATIONS
from edge_bert.errors import ModelError
from edge_bert.text import shorten

GATED = {**ACTIVATIONS, "silu": "silu", "swish": "silu"}


def read_theta(parameters: Any, old: object, default: float) -> float:
    """The base of the frequencies: of `rope_parameters`, else `old`, else `default`.

    Raises ModelError for other kinds of rotation than the plain one over all channels.
    """
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, Mapping):
        raise ModelError(f"config.json: rope_parameters is {shorten(parameters)}, no object.")
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    others = set(parameters) - {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
    if kind != "default" or others or parameters.get("partial_rotary_factor", 1.0) != 1.0:
        raise ModelError(
            f"config.json: rope_parameters asks for {shorten(dict(parameters))}; edge-bert has the "
            "default rotation of all channels."
        )
    theta = parameters.get("rope_theta", default if old is None else old)
    if isinstance(theta, bool) or not isinstance(theta, int | float) or not 1 < theta < 1e12:
        raise ModelError(f"config.json: rope_theta is {shorten(theta)}, no number above 1.")
    return float(theta)


def read_gated_activation(activation: object) -> str:
    """Our name of the activation on gated neurons; ModelError for one that is not known."""
    if not isinstance(activation, str) or activation not in GATED:
        raise ModelError(
            f"config.json: activation {shorten(activation)} is not among {', '.join(GATED)}."
        )
    return GATED[activation]


def refuse_options(config: Mapping[str, Any], harmless: Mapping[str, Any]) -> None:
    """Raise ModelError for a key whose value is set to another than that which is supported."""
    for key, supported in harmless.items():
        value = config.get(key)
        if value is not None and value != supported:
            raise ModelError(
                f"config.json: {key} is {shorten(value)}; edge-bert has {supported} only."
            )
