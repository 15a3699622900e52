"""What 16 bits cost: bytes of activations, and an estimate of ARM64 instructions.

Measured one operator at a time on an emulated Cortex-A76 with LiteRT 2.3.0 (2026-11-28,
`python -m benchmarks.operator_counts pixel-4`; docs/quantization-accuracy.md), divided by
the multiply-accumulates of matrix products and by the elements of everything else. NPUs differ, but
not in the order: 16 bits cost most in the matrix products.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from edge_bert.quantize.integer.ir.graph import OperatorGraph, OperatorNode
from edge_bert.quantize.integer.lower.insert_casts import MOVES, NARROW

# Instructions per multiply-accumulate or element with 8 and with 16 bits.
PER_UNIT = {
    "FULLY_CONNECTED": (0.083, 1.75),
    "GELU": (1.0, 13.0),
    "ADD": (2.6, 5.1),
    "SUB": (2.6, 27.7),
    "MUL": (2.5, 46.2),
    "QUANTIZE": (42.1, 42.1),
}
# What kernels of 16 bits there are for; RELU is not counted, it costs as little as GELU's table.
WIDENABLE = ("FULLY_CONNECTED", "GELU", "RELU", "ADD", "SUB", "MUL")


@dataclass(frozen=True)
class GraphCost:
    """The cost of one inference: bytes of activations, and instructions."""

    bytes: int
    instructions: int

    def __sub__(self, other: GraphCost) -> GraphCost:
        return GraphCost(self.bytes - other.bytes, self.instructions - other.instructions)


def graph_cost(graph: OperatorGraph) -> GraphCost:
    """The cost of a graph: every activation that is written, and the operators of PER_UNIT."""
    size, instructions = 0, 0.0
    for node in graph.nodes:
        bits = graph.tensors[node.output].bits
        size += 0 if node.operator == "RESHAPE" else count_elements(graph, node) * bits // 8
        int8, int16 = PER_UNIT.get(node.operator, (0.0, 0.0))
        instructions += (int8 if bits == NARROW else int16) * count_operations(graph, node)
    return GraphCost(size, round(instructions))


def int16_cost(graph: OperatorGraph, members: Collection[str]) -> GraphCost:
    """What 16 bits in the outputs `members` add to an 8-bit graph, without the casts."""
    nodes = [node for node in graph.nodes if node.output in members]
    instructions = 0.0
    for node in nodes:
        int8, int16 = PER_UNIT.get(node.operator, (0.0, 0.0))
        instructions += (int16 - int8) * count_operations(graph, node)
    return GraphCost(sum(count_elements(graph, node) for node in nodes), round(instructions))


def count_elements(graph: OperatorGraph, node: OperatorNode) -> int:
    """The elements of a node's output."""
    return int(np.prod(graph.shape(node.output)))


def count_operations(graph: OperatorGraph, node: OperatorNode) -> int:
    """The multiply-accumulates of a matrix product, the elements of any other operator."""
    size = count_elements(graph, node)
    if node.operator in ("FULLY_CONNECTED", "BATCH_MATMUL"):
        return size * graph.shape(node.inputs[0])[-1]
    return 0 if node.operator in MOVES else size
