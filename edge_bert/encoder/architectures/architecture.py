"""What an architecture must say about itself so that the one encoder can be built from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from reprlib import repr as shown
from typing import Any

from edge_bert.encoder.config import DenseHead, EncoderConfig
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, FloatArray, Task


@dataclass(frozen=True)
class Architecture:
    """One family of models: where its files keep what the encoder needs.

    `prefix` may stand before every encoder weight. `layer_names` and `embedding_names` map our
    names to the file's, both without `.weight` and `.bias`; `{i}` stands for the layer, as
    `number` writes it.
    """

    name: str
    prefix: str
    read_config: Callable[[Mapping[str, Any]], EncoderConfig]
    embedding_names: Mapping[str, str]
    layer_names: Mapping[str, str]
    head: tuple[DenseHead, ...]
    number: Callable[[Mapping[str, Any], int], str] = lambda _, index: str(index)


MAX_SIZE = 2**24
MAX_LAYERS = 2**10  # every layer takes memory before the weights show how many there are


def read_size(config: Mapping[str, Any], key: str, limit: int = MAX_SIZE) -> int:
    """A whole number from 1 to `limit` - 1 from config.json; ModelError names the key otherwise."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < limit:
        raise ModelError(
            f"config.json: {key} is {shown(value)}, not a whole number from 1 to {limit - 1}."
        )
    return value


def read_sizes(
    config: Mapping[str, Any], *, layers: str, hidden: str, heads: str, ffn: str
) -> dict[str, Any]:
    """The sizes of `EncoderConfig` that all layers share, by the keys that config.json gives them.

    Raises ModelError where a size is none, or where the heads do not divide the channels.
    """
    count = read_size(config, layers, MAX_LAYERS)
    width, parts = read_size(config, hidden), read_size(config, heads)
    if width % parts:
        raise ModelError(f"config.json: {width} channels do not divide by {parts}.")
    return {
        "hidden": width,
        "head_size": width // parts,
        "heads": (parts,) * count,
        "ffn": (read_size(config, ffn),) * count,
    }


def read_epsilon(config: Mapping[str, Any], default: float, key: str = "layer_norm_eps") -> float:
    """The LayerNorm epsilon from config.json."""
    value = config.get(key, default)
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise ModelError(f"config.json: {key} is {shown(value)}, not a small number.")
    return float(value)


def read_choice(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """A yes or no from config.json; ModelError names the key otherwise."""
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise ModelError(f"config.json: {key} is {shown(value)}, neither true nor false.")
    return value


def check_config(shape: EncoderConfig, config: Mapping[str, Any]) -> EncoderConfig:
    """Refuse what the encoder cannot compute; gives `shape` back."""
    check_options(config, shape.activation)
    if config.get("is_decoder"):
        raise ModelError(
            "config.json: is_decoder is set, so that tokens see only those before them; "
            "edge-bert has encoders."
        )
    return shape


def check_options(config: Mapping[str, Any], activation: object) -> str:
    """Refuse positions and activations that we do not have; gives `activation` back."""
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ModelError(
            f"config.json: activation {shown(activation)} is not among {', '.join(ACTIVATIONS)}."
        )
    kind = config.get("position_embedding_type") or "absolute"
    if kind != "absolute":
        raise ModelError(
            f"config.json: position embeddings of type {shown(kind)} are not supported."
        )
    return activation


ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"} | {
    "relu": "relu"
}


def canonical_weights(
    checkpoint: Checkpoint, architecture: Architecture, shape: EncoderConfig
) -> dict[str, FloatArray]:
    """The checkpoint's weights under our names, matrices as [in, out].

    Raises ModelError for a weight that is missing or has another shape than config.json says.
    """
    source = _Weights(checkpoint.weights, architecture.prefix)
    found = _embeddings(source, architecture.embedding_names, shape)
    numbers = [architecture.number(checkpoint.config, index) for index in range(shape.layers)]
    layers = {number: _layer(source, architecture, number) for number in dict.fromkeys(numbers)}
    for index, number in enumerate(numbers):
        found |= {f"layer.{index}.{ours}": array for ours, array in layers[number].items()}
    if checkpoint.head.task is Task.CLASSIFICATION:
        for index, dense in enumerate(architecture.head):
            found |= source.dense(f"head.{index}", dense.name)
    _check_sizes(found, shape, len(checkpoint.head.labels))
    return found


def _embeddings(
    source: _Weights, names: Mapping[str, str], shape: EncoderConfig
) -> dict[str, FloatArray]:
    tables = ("word", "position", "token_type") if shape.token_types else ("word", "position")
    found = {f"embeddings.{table}": source.table(names[table]) for table in tables}
    found |= source.norm("embeddings.norm", names["norm"])
    if shape.embedding:
        found |= source.dense("embeddings.projection", names["projection"])
    return found


def _layer(source: _Weights, architecture: Architecture, number: str) -> dict[str, FloatArray]:
    """The arrays of one layer of the file; layers that share it get the same ones."""
    found: dict[str, FloatArray] = {}
    for ours, theirs in architecture.layer_names.items():
        read = source.norm if ours.endswith("norm") else source.dense
        found |= read(ours, theirs.format(i=number))
    return found


class _Weights:
    """Looks weights up with and without the prefix, and under LayerNorm's two spellings."""

    def __init__(self, weights: Mapping[str, FloatArray], prefix: str) -> None:
        self._weights = weights
        self._prefix = prefix

    def table(self, name: str) -> FloatArray:
        return self._find(f"{name}.weight")

    def dense(self, ours: str, name: str) -> dict[str, FloatArray]:
        kernel = self._find(f"{name}.weight")
        if kernel.ndim != 2:
            raise ModelError(f"The weight {name}.weight has {kernel.ndim} dimensions, not 2.")
        return {f"{ours}.kernel": kernel.T, f"{ours}.bias": self._find(f"{name}.bias")}

    def norm(self, ours: str, name: str) -> dict[str, FloatArray]:
        gamma = self._find(f"{name}.weight", f"{name}.gamma")
        return {f"{ours}.gamma": gamma, f"{ours}.beta": self._find(f"{name}.bias", f"{name}.beta")}

    def _find(self, *names: str) -> FloatArray:
        for name in names:
            for candidate in (name, self._prefix + name):
                if candidate in self._weights:
                    return self._weights[candidate]
        raise ModelError(f"The weights lack {names[0]}; the file is not a whole model.")


def _check_sizes(weights: Mapping[str, FloatArray], shape: EncoderConfig, labels: int) -> None:
    heads = sum(name.startswith("head.") and name.endswith(".kernel") for name in weights)
    for name, array in weights.items():
        wanted = _size_of(name, shape, labels if name.startswith(f"head.{heads - 1}.") else None)
        if array.shape != wanted:
            raise ModelError(
                f"The weight {name} is {_sizes(array.shape)}; "
                f"config.json asks for {_sizes(wanted)}."
            )


def _size_of(name: str, shape: EncoderConfig, labels: int | None) -> tuple[int, ...]:
    """What config.json says of a weight; `labels` where it belongs to the last layer."""
    rows = {
        "embeddings.word": shape.vocabulary,
        "embeddings.position": shape.positions,
        "embeddings.token_type": shape.token_types,
    }
    if name in rows:
        return (rows[name], shape.table_width)
    if name.startswith("embeddings.norm."):
        return (shape.table_width,)
    if name == "embeddings.projection.kernel":
        return (shape.table_width, shape.hidden)
    ffn = shape.ffn[0]  # the layers of a checkpoint are alike
    inputs = ffn if ".ffn_out." in name else shape.hidden
    outputs = ffn if ".ffn_in." in name else (labels or shape.hidden)
    return (inputs, outputs) if name.endswith(".kernel") else (outputs,)


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
