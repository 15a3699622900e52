"""Which groups of activations may have 16 bits, and which have them where nothing was searched.

Not among them are what a BATCH_MATMUL reads and gives, and LayerNorm's sums and roots: the former
would be rounded to 8 bits again by the products, the latter have ranges of their own
(layer_norm.py).
"""

from __future__ import annotations

from collections.abc import Collection

from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.operator_cost import WIDENABLE
from edge_bert.quantize.integer.lower.tensor_groups import TensorGroup, group_of

# The residual stream and the feed-forward half: most of all-MiniLM-L6-v2's output error in 8 bits.
FIXED = (
    TensorRole.EMBEDDINGS,
    TensorRole.RESIDUAL,
    TensorRole.INPUT,
    TensorRole.NORM_OFFSET,
    TensorRole.NORM_UPDATE,
    TensorRole.NORM_CENTERED,
    TensorRole.NORM_NORMALIZED,
    TensorRole.FFN_IN,
    TensorRole.FFN_INTERMEDIATE,
    TensorRole.FFN_OUT,
    TensorRole.OUTPUT,
)
CANDIDATES = (*FIXED, TensorRole.ATTENTION_OUTPUT)


def candidate_groups(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """The groups that may have 16 bits, by role: outputs of operators with kernels of 16 bits."""
    members: dict[TensorRole, set[str]] = {role: set() for role in CANDIDATES}
    for node in graph.nodes:
        role = group_of(graph.tensors[node.output])
        if role in members and node.operator in WIDENABLE:
            members[role].add(node.output)
    return tuple(
        TensorGroup(role.value, frozenset(names)) for role, names in members.items() if names
    )


def int16_outputs(graph: OperatorGraph, groups: Collection[str]) -> frozenset[str]:
    """The outputs in the groups called `groups`; `graph` is one of any length, all narrow."""
    members = [group.members for group in candidate_groups(graph) if group.name in groups]
    return frozenset().union(*members)
