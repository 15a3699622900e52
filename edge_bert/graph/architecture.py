"""What an architecture must say about itself so that the one encoder can be built from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, FloatArray, Task
from edge_bert.records.encoder import DenseHead, EncoderShape


@dataclass(frozen=True)
class Architecture:
    """One family of models: where its files keep what the encoder needs.

    `prefix` may stand before every encoder weight. `layer_names` and `embedding_names` map our
    names to the file's, both without `.weight` and `.bias`; `{i}` stands for the layer.
    """

    name: str
    prefix: str
    shape: Callable[[Mapping[str, Any]], EncoderShape]
    embedding_names: Mapping[str, str]
    layer_names: Mapping[str, str]
    head: tuple[DenseHead, ...]


def read_size(config: Mapping[str, Any], key: str) -> int:
    """A positive whole number from a model's config.json; ModelError names the key otherwise."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**24:
        raise ModelError(f"config.json: {key} is {value!r}, not a positive whole number.")
    return value


def read_epsilon(config: Mapping[str, Any], default: float) -> float:
    """The LayerNorm epsilon from config.json."""
    value = config.get("layer_norm_eps", default)
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise ModelError(f"config.json: layer_norm_eps is {value!r}, not a small number.")
    return float(value)


def check_shape(shape: EncoderShape, config: Mapping[str, Any]) -> EncoderShape:
    """Refuse what the encoder cannot compute; gives `shape` back."""
    if shape.hidden % shape.heads:
        raise ModelError(f"config.json: {shape.hidden} channels do not divide by {shape.heads}.")
    if shape.activation not in ACTIVATIONS:
        raise ModelError(
            f"config.json: activation {shape.activation!r} is not among {', '.join(ACTIVATIONS)}."
        )
    kind = config.get("position_embedding_type") or "absolute"
    if kind != "absolute":
        raise ModelError(f"config.json: position embeddings of type {kind!r} are not supported.")
    return shape


ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"} | {
    "relu": "relu"
}


def canonical_weights(
    checkpoint: Checkpoint, architecture: Architecture, shape: EncoderShape
) -> dict[str, FloatArray]:
    """The checkpoint's weights under our names, matrices as [in, out].

    Raises ModelError for a weight that is missing or has another shape than config.json says.
    """
    source = _Weights(checkpoint.weights, architecture.prefix)
    found = {
        f"embeddings.{ours}": source.table(theirs)
        for ours, theirs in architecture.embedding_names.items()
        if ours != "norm" and (ours != "token_type" or shape.token_types)
    }
    found |= source.norm("embeddings.norm", architecture.embedding_names["norm"])
    for index in range(shape.layers):
        for ours, theirs in architecture.layer_names.items():
            read = source.norm if ours.endswith("norm") else source.dense
            found |= read(f"layer.{index}.{ours}", theirs.format(i=index))
    if checkpoint.head.task is Task.CLASSIFICATION:
        for index, dense in enumerate(architecture.head):
            found |= source.dense(f"head.{index}", dense.name)
    _check_sizes(found, shape)
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


def _check_sizes(weights: Mapping[str, FloatArray], shape: EncoderShape) -> None:
    hidden, ffn = shape.hidden, shape.ffn
    expected = {
        "embeddings.word": (shape.vocabulary, hidden),
        "embeddings.position": (shape.positions, hidden),
        "embeddings.token_type": (shape.token_types, hidden),
    }
    for index in range(shape.layers):
        for name in ("query", "key", "value", "attention_output"):
            expected[f"layer.{index}.{name}.kernel"] = (hidden, hidden)
        expected[f"layer.{index}.ffn_in.kernel"] = (hidden, ffn)
        expected[f"layer.{index}.ffn_out.kernel"] = (ffn, hidden)
    for name, array in weights.items():
        wanted = expected.get(name)
        if wanted is not None and array.shape != wanted:
            raise ModelError(f"{name} is {array.shape} but config.json asks for {wanted}.")
        if name.endswith((".gamma", ".beta")) and array.shape != (hidden,):
            raise ModelError(f"{name} is {array.shape} but config.json asks for ({hidden},).")
