"""Removes the nodes that no output depends on.

Requires nothing. Ensures the same outputs, and that every node leads to one of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_bert.formats.onnx.graph import OnnxGraph


def remove_unused_nodes(graph: OnnxGraph, outputs: Iterable[str]) -> OnnxGraph:
    """`graph` with these outputs only."""
    kept_outputs = tuple(outputs)
    nodes = graph.ancestors(*kept_outputs)
    used = {*kept_outputs, *(name for node in nodes for name in node.inputs)}
    constants = {name: array for name, array in graph.constants.items() if name in used}
    return graph.replace(nodes, constants, outputs=kept_outputs)
