"""The encoder in numbers: its sizes, and its weights under one set of names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_bert.encoder.config import EncoderConfig, Gpt2Config, MobileBertConfig
from edge_bert.records.checkpoint import FloatArray, Head


@dataclass(frozen=True)
class EncoderWeights:
    """An encoder's weights under our names, whatever the checkpoint calls them.

    `arrays` holds `embeddings.{word,position,token_type}`, `embeddings.norm.{gamma,beta}`, where
    there is one `embeddings.projection.{kernel,bias}`, which reads that LayerNorm, per layer
    `layer.{i}.{query,key,value,attention_output,ffn_in,ffn_out}.{kernel,bias}` with kernels
    as [in, out], `layer.{i}.{attention_norm,ffn_norm}.{gamma,beta}`, and `head.{i}.{kernel,bias}`.
    `head_activations` are those of the dense layers of a classification head.
    """

    config: EncoderConfig
    arrays: Mapping[str, FloatArray]
    head: Head
    head_activations: tuple[str, ...]
    input_names: tuple[str, ...]
    output_name: str

    @property
    def tied_layers(self) -> tuple[int, ...]:
        """For each layer the first one with the very same arrays: itself, but in ALBERT."""
        firsts: list[int] = []
        for index in range(self.config.layers):
            alike = (first for first in dict.fromkeys(firsts) if self._same(first, index))
            firsts.append(next(alike, index))
        return tuple(firsts)

    def _same(self, first: int, second: int) -> bool:
        one, other = f"layer.{first}.", f"layer.{second}."
        names = [name.removeprefix(one) for name in self.arrays if name.startswith(one)]
        return all(self.arrays[one + name] is self.arrays[other + name] for name in names)


@dataclass(frozen=True)
class CustomWeights:
    """The weights of a model whose layers are not BERT's, under the names of its Keras model.

    `architecture` is the model type that config.json names.
    """

    architecture: str
    config: MobileBertConfig | Gpt2Config
    arrays: Mapping[str, FloatArray]
    head: Head
    head_activations: tuple[str, ...]
    input_names: tuple[str, ...]
    output_name: str
