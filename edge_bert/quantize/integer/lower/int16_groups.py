"""Which groups of activations may have 16 bits, and which have them where nothing was searched.

Left out are what a BATCH_MATMUL reads and gives, and LayerNorm's sums and roots: the former would
be rounded to 8 bits again by the products, the latter have ranges of their own (norm.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower.operator_cost import WIDENABLE
from edge_bert.quantize.integer.lower.tensor_groups import TensorGroup, kind_of

# The residual stream and the feed-forward half: what 8 bits harm most in all-MiniLM-L6-v2.
FIXED = (
    "embeddings",
    "residual",
    "input",
    "norm.offset",
    "norm.update",
    "norm.centred",
    "norm.unit",
    "ffn.in",
    "ffn.inner",
    "ffn.out",
    "output",
)
CANDIDATES = (*FIXED, "attention_output")


def candidate_groups(graph: OperatorGraph) -> tuple[TensorGroup, ...]:
    """The groups that may be wide, by kind: outputs of operators with kernels of 16 bits."""
    members: dict[str, set[str]] = {kind: set() for kind in CANDIDATES}
    for node in graph.nodes:
        kind = kind_of(node.output)
        if kind in members and node.operator in WIDENABLE:
            members[kind].add(node.output)
    return tuple(TensorGroup(kind, frozenset(names)) for kind, names in members.items() if names)


def int16_outputs(graph: OperatorGraph, kinds: Collection[str]) -> Callable[[str], bool]:
    """Whether an output is of one of `kinds`; `graph` is one of any length, all narrow."""
    found = [group.members for group in candidate_groups(graph) if group.name in kinds]
    return frozenset().union(*found).__contains__
