"""Groups of tensors that are quantized together in the sensitivity search: by role, by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, TensorKind
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.insert_casts import FLOAT

WEIGHTS, TABLES = "weights", "tables"
# Roles that are quantized together with another; any other role is a group of its own.
_GROUPS = {
    TensorRole.TYPE_EMBEDDINGS: TensorRole.EMBEDDINGS,
    TensorRole.PROJECTION_INPUT: TensorRole.EMBEDDINGS,
    TensorRole.PRODUCTS: TensorRole.SCORES,
    TensorRole.ATTENTION_MASK: TensorRole.SCORES,
    TensorRole.MASKED_SCORES: TensorRole.SCORES,
    TensorRole.POOLING_MASK: TensorRole.OUTPUT,
    TensorRole.POOLING_PROBS: TensorRole.OUTPUT,
    TensorRole.HEAD: TensorRole.OUTPUT,
}


@dataclass(frozen=True)
class TensorGroup:
    """Names of tensors, of activations and of constants."""

    name: str
    members: frozenset[str]


def group_of(tensor: GraphTensor) -> TensorRole:
    """The role whose group an activation belongs to, in whatever layer."""
    return _GROUPS.get(tensor.role, tensor.role)


def layer_label(tensor: GraphTensor) -> str:
    """`embeddings`, `layer.3` or `output`."""
    if tensor.layer is not None:
        return f"layer.{tensor.layer}"
    return "output" if group_of(tensor) is TensorRole.OUTPUT else "embeddings"


def group_by_role(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """A group for each role of integer activations, one of matrices, one of other constants."""
    return _group_activations(graph, lambda tensor: group_of(tensor).value) + constant_groups(graph)


def group_by_layer(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """The integer activations of each layer together."""
    return _group_activations(graph, layer_label)


def constant_groups(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """All matrices, and all other constants that are integers: tables and per-channel factors."""
    kinds = {WEIGHTS: TensorKind.MATRIX, TABLES: TensorKind.VECTOR}
    integers = [tensor for tensor in graph.tensors.values() if tensor.bits != FLOAT]
    return tuple(
        TensorGroup(name, frozenset(tensor.name for tensor in integers if tensor.kind is kind))
        for name, kind in kinds.items()
    )


def _group_activations(
    graph: OperatorGraph, label: Callable[[GraphTensor], str]
) -> tuple[TensorGroup, ...]:
    members: dict[str, set[str]] = {}
    for node in graph.nodes:
        tensor = graph.tensors[node.output]
        if tensor.bits != FLOAT:
            members.setdefault(label(tensor), set()).add(tensor.name)
    return tuple(TensorGroup(name, frozenset(names)) for name, names in members.items())
