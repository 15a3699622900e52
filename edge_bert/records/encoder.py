"""The encoder in numbers: its sizes, and its weights under one set of names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_bert.records.checkpoint import FloatArray, Head


@dataclass(frozen=True)
class EncoderShape:
    """The sizes of an encoder.

    `heads` and `ffn` hold, for every layer, how many attention heads and feed-forward neurons it
    has; a trained model has the same in all. `position_offset` is the row of the position table
    that the first token takes. `token_types` is 0 where the model has no token-type table.
    """

    hidden: int
    head_size: int
    heads: tuple[int, ...]
    ffn: tuple[int, ...]
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    activation: str = "gelu"
    position_offset: int = 0

    @property
    def layers(self) -> int:
        """How many transformer layers there are."""
        return len(self.heads)


@dataclass(frozen=True)
class DenseHead:
    """One dense layer of a classification head, by the name of its weights in the checkpoint."""

    name: str
    activation: str = "linear"


@dataclass(frozen=True)
class EncoderWeights:
    """An encoder's weights under our names, whatever the checkpoint calls them.

    `arrays` holds `embeddings.{word,position,token_type}`, `embeddings.norm.{gamma,beta}`, per
    layer `layer.{i}.{query,key,value,attention_output,ffn_in,ffn_out}.{kernel,bias}` with kernels
    as [in, out], `layer.{i}.{attention_norm,ffn_norm}.{gamma,beta}`, and `head.{i}.{kernel,bias}`.
    `head_activations` are those of the dense layers of a classification head.
    """

    shape: EncoderShape
    arrays: Mapping[str, FloatArray]
    head: Head
    head_activations: tuple[str, ...]
    input_names: tuple[str, ...]
    output_name: str
