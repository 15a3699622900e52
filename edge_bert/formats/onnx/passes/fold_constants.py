"""Replaces what depends on constants alone by its value.

Requires a graph in order. Ensures the same outputs; weights that were stored transposed, in
float16 or as integers with a scale become plain arrays.
"""

from __future__ import annotations

import collections

from edge_bert.formats.onnx.evaluate import NotComputed, compute_values
from edge_bert.formats.onnx.graph import OnnxGraph, OnnxNode

NOT_FOLDED = ("Dropout",)  # its second output


def fold_constants(graph: OnnxGraph) -> OnnxGraph:
    """`graph` with fewer nodes; a node that cannot be computed stays."""
    constants = dict(graph.constants)
    readers = collections.Counter(name for node in graph.nodes for name in node.inputs)
    readers.update(graph.outputs)
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        inputs = [name for name in node.inputs if name]
        if node.op in NOT_FOLDED or not all(name in constants for name in inputs):
            nodes.append(node)
            continue
        try:
            arrays = compute_values(node, [constants[name] for name in inputs], graph.budget)
        except NotComputed:
            nodes.append(node)
            continue
        graph.budget.keep(sum(array.nbytes for array in arrays))
        constants |= {n: a for n, a in zip(node.outputs, arrays, strict=True) if n}
        readers.subtract(node.inputs)
        for name in inputs:
            if readers[name] == 0:  # nobody else reads it, so that it need not be held
                constants.pop(name, None)
    return graph.replace(nodes, constants)
