"""Weights of models whose layers are not BERT's: a table says where each comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.architectures.weight_reader import WeightReader
from edge_bert.encoder.config import (
    DenseHead,
    Gpt2Config,
    MobileBertConfig,
    ModernBertConfig,
    NomicBertConfig,
)
from edge_bert.encoder.weights import CustomWeights
from edge_bert.records.checkpoint import FloatArray

CustomConfig = MobileBertConfig | Gpt2Config | ModernBertConfig | NomicBertConfig


@dataclass(frozen=True)
class WeightSource:
    """One array of ours: its name, the file's name for it, and the size that the file must have.

    `transposed` turns PyTorch's [out, in] around. `chunk` (which, of how many) is one of equal
    chunks of the file's outputs.
    """

    ours: str
    file: str
    size: tuple[int, ...]
    transposed: bool = False
    chunk: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class CustomArchitecture:
    """A family that has a Keras model of its own.

    `list_weights` lists the encoder's arrays for a config, `list_head` the dense layers of a
    classifier, `list_token_head` those of a head on tokens where it is none of transformers' usual.
    `rename_weights` gives weights the names that `list_weights` knows. `build_model` makes the
    Keras model, without its values; it alone needs Keras. With `rounds_to_nearest`, matrices of 4
    bits are made without GPTQ. transformers has no model of it for spans where not
    `answers_questions`.
    """

    name: str
    prefix: str
    read_config: Callable[[Mapping[str, Any]], CustomConfig]
    list_weights: Callable[[Any], Iterable[WeightSource]]
    list_head: Callable[[Any], tuple[DenseHead, ...]]
    build_model: Callable[[CustomWeights], Any]
    list_token_head: Callable[[Any], tuple[DenseHead, ...]] | None = None
    rename_weights: Callable[[Mapping[str, FloatArray]], Mapping[str, FloatArray]] = lambda x: x
    rounds_to_nearest: bool = False
    answers_questions: bool = True


def dense_weights(ours: str, file: str, inputs: int, outputs: int) -> Iterator[WeightSource]:
    """A torch.nn.Linear."""
    yield WeightSource(f"{ours}.kernel", f"{file}.weight", (outputs, inputs), transposed=True)
    yield WeightSource(f"{ours}.bias", f"{file}.bias", (outputs,))


def norm_weights(ours: str, file: str, size: int) -> Iterator[WeightSource]:
    """A LayerNorm, or a NoNorm."""
    yield WeightSource(f"{ours}.gamma", f"{file}.weight", (size,))
    yield WeightSource(f"{ours}.beta", f"{file}.bias", (size,))


def read_weights(reader: WeightReader, sources: Iterable[WeightSource]) -> dict[str, FloatArray]:
    """The arrays under our names.

    Raises ModelError for a weight that is missing or has another size.
    """
    arrays = {}
    for source in sources:
        array = reader.array(source.size, source.file)
        index, count = source.chunk
        outputs = 0 if source.transposed else -1
        if count > 1:
            array = np.split(array, count, axis=outputs)[index]
        arrays[source.ours] = array.T if source.transposed else array
    return arrays
