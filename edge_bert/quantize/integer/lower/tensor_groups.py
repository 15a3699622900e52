"""Groups of tensors that are quantized together in the sensitivity search: by kind, by layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind
from edge_bert.quantize.integer.lower.insert_casts import FLOAT

WEIGHTS, TABLES = "weights", "tables"
_NORM = re.compile(r"(?:embeddings\.norm|layer\.\d+\.\w+_norm)\.(\w+)")
_LAYER = re.compile(r"(layer\.\d+)\.")
_FFN = re.compile(r"ffn\.\d+\.(\w+)")
# The kind of a tensor of a layer where its own name does not already say it.
_KINDS = {
    "attention_residual": "residual",
    "ffn_residual": "residual",
    "ffn_input": "input",
    "masked": "scores",
    "mask": "scores",
}


@dataclass(frozen=True)
class TensorGroup:
    """Names of tensors, of activations and of constants."""

    name: str
    members: frozenset[str]


def kind_of(name: str) -> str:
    """What a tensor is, whatever its layer: `norm.centred`, `query`, `ffn.inner`, `output`."""
    norm = _NORM.match(name)
    if norm:
        return f"norm.{norm[1]}"
    if name.startswith("embeddings."):
        return "embeddings"
    layer = _LAYER.match(name)
    if not layer:
        return "output"
    rest = name.removeprefix(layer[0]).partition("/")[0]  # a copy in another width is of its kind
    ffn = _FFN.match(rest)
    if ffn:
        return f"ffn.{ffn[1]}"
    first = rest.split(".")[0]
    return _KINDS.get(first, first)


def layer_of(name: str) -> str:
    """`embeddings`, `layer.3` or `output`."""
    layer = _LAYER.match(name)
    if layer:
        return layer[1]
    return "embeddings" if name.startswith("embeddings.") else "output"


def group_by_kind(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """A group for each kind of integer activation, one of all matrices, one of other constants."""
    return _grouped(graph, kind_of) + constant_groups(graph)


def group_by_layer(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """The integer activations of each layer together."""
    return _grouped(graph, layer_of)


def constant_groups(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """All matrices, and all other constants that are integers: tables and per-channel factors."""
    kinds = {WEIGHTS: TensorKind.MATRIX, TABLES: TensorKind.VECTOR}
    integers = [each for each in graph.tensors.values() if each.bits != FLOAT]
    return tuple(
        TensorGroup(name, frozenset(each.name for each in integers if each.kind is kind))
        for name, kind in kinds.items()
    )


def _grouped(graph: OperatorGraph, key: Callable[[str], str]) -> tuple[TensorGroup, ...]:
    members: dict[str, set[str]] = {}
    for node in graph.nodes:
        if graph.tensors[node.output].bits != FLOAT:
            members.setdefault(key(node.output), set()).add(node.output)
    return tuple(TensorGroup(name, frozenset(found)) for name, found in members.items())
