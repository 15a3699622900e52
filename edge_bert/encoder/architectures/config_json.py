"""Checked values of config.json; ModelError names the key that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.config import EncoderConfig
from edge_bert.errors import ModelError
from edge_bert.text import shorten

# The names of transformers, and ours: "gelu_tanh" is GELU's approximation by tanh. Some are one
# function written in several ways.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "gelu_python": "gelu",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
}
MAX_SIZE = 2**24
MAX_LAYERS = 2**10  # every layer takes memory before the weights show how many there are


def read_size(config: Mapping[str, Any], key: str, limit: int = MAX_SIZE) -> int:
    """An integer from 1 to `limit` - 1 from config.json; else raises ModelError."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < limit:
        raise ModelError(
            f"config.json: {key} is {shorten(value)}, not a whole number from 1 to {limit - 1}."
        )
    return value


def read_sizes(
    config: Mapping[str, Any], *, layers: str, hidden: str, heads: str, ffn: str
) -> dict[str, Any]:
    """The sizes of `EncoderConfig` that all layers share, by the keys that config.json gives them.

    Raises ModelError for a value that is no size, and where the heads do not divide the channels.
    """
    layer_count, head_count = read_size(config, layers, MAX_LAYERS), read_size(config, heads)
    channels = read_size(config, hidden)
    check_heads(channels, head_count)
    return {
        "hidden": channels,
        "head_size": channels // head_count,
        "heads": (head_count,) * layer_count,
        "ffn": (read_size(config, ffn),) * layer_count,
    }


def check_heads(channels: int, heads: int) -> None:
    """Raise ModelError where the heads do not divide the channels."""
    if channels % heads:
        raise ModelError(f"config.json: {channels} channels do not divide by {heads}.")


def read_epsilon(config: Mapping[str, Any], default: float, key: str = "layer_norm_eps") -> float:
    """The LayerNorm epsilon from config.json; raises ModelError for one outside [0, 1)."""
    value = config.get(key, default)
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise ModelError(f"config.json: {key} is {shorten(value)}, not a small number.")
    return float(value)


def read_choice(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """A boolean from config.json; else raises ModelError."""
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise ModelError(f"config.json: {key} is {shorten(value)}, neither true nor false.")
    return value


def check_config(sizes: EncoderConfig, config: Mapping[str, Any]) -> EncoderConfig:
    """`sizes`, where the encoder can compute what config.json asks for; else raises ModelError."""
    check_options(config, sizes.activation)
    if config.get("is_decoder"):
        raise ModelError(
            "config.json: is_decoder is set, so that tokens see only those before them; "
            "edge-bert has encoders."
        )
    return sizes


def check_options(config: Mapping[str, Any], activation: object) -> str:
    """`activation`, where it and the kind of positions are supported; else raises ModelError."""
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ModelError(
            f"config.json: activation {shorten(activation)} is not among {', '.join(ACTIVATIONS)}."
        )
    kind = config.get("position_embedding_type") or "absolute"
    if kind != "absolute":
        raise ModelError(
            f"config.json: position embeddings of type {shorten(kind)} are not supported."
        )
    return activation
