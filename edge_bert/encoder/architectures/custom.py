"""Weights of models whose layers are not BERT's: one line for each says where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_bert.encoder.config import Gpt2Config, MobileBertConfig
from edge_bert.encoder.weights import CustomWeights
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, FloatArray

CustomConfig = MobileBertConfig | Gpt2Config


@dataclass(frozen=True)
class WeightSource:
    """One array of ours: its name, the file's name for it, and the size that the file must have.

    `transposed` turns PyTorch's [out, in] around. `part` (which, of how many) is one of equal
    parts of the file's last axis.
    """

    ours: str
    file: str
    size: tuple[int, ...]
    transposed: bool = False
    part: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class CustomArchitecture:
    """A family that has a Keras model of its own.

    `weights` says what a checkpoint of a shape must hold, with a classifier of so many labels where
    they are not 0; `head_activations` are those of the classifier's dense layers. `build` makes
    the Keras model; it is the only part that needs Keras.
    """

    name: str
    prefix: str
    read_config: Callable[[Mapping[str, Any]], CustomConfig]
    weights: Callable[[Any, int], Iterable[WeightSource]]
    head_activations: Callable[[Any], tuple[str, ...]]
    build: Callable[[CustomWeights], Any]


def dense_weights(ours: str, file: str, inputs: int, outputs: int) -> Iterator[WeightSource]:
    """A torch.nn.Linear."""
    yield WeightSource(f"{ours}.kernel", f"{file}.weight", (outputs, inputs), transposed=True)
    yield WeightSource(f"{ours}.bias", f"{file}.bias", (outputs,))


def norm_weights(ours: str, file: str, size: int) -> Iterator[WeightSource]:
    """A LayerNorm, or a NoNorm."""
    yield WeightSource(f"{ours}.gamma", f"{file}.weight", (size,))
    yield WeightSource(f"{ours}.beta", f"{file}.bias", (size,))


def read_weights(
    checkpoint: Checkpoint, prefix: str, wanted: Iterable[WeightSource]
) -> dict[str, FloatArray]:
    """The arrays under our names; `prefix` may stand before each name in the file.

    Raises ModelError for a weight that is missing or has another size.
    """
    found = {}
    for weight in wanted:
        array = _find(checkpoint.weights, weight.file, prefix)
        if array.shape != weight.size:
            raise ModelError(
                f"The weight {weight.file} is {_sizes(array.shape)}; "
                f"config.json asks for {_sizes(weight.size)}."
            )
        which, count = weight.part
        step = weight.size[-1] // count
        array = array[..., which * step : (which + 1) * step]
        found[weight.ours] = array.T if weight.transposed else array
    return found


def _find(weights: Mapping[str, FloatArray], name: str, prefix: str) -> FloatArray:
    for candidate in (name, prefix + name):
        if candidate in weights:
            return weights[candidate]
    raise ModelError(f"The weights lack {name}; the file is not a whole model.")


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
