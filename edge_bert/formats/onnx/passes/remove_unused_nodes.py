"""Removes the nodes that no output depends on.

Requires nothing. Ensures the same outputs, and that every node leads to one of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_bert.formats.onnx.graph import OnnxGraph


def remove_unused_nodes(graph: OnnxGraph, outputs: Iterable[str]) -> OnnxGraph:
    """`graph` with these outputs only."""
    kept_outputs = tuple(outputs)
    needed = {id(node) for output in kept_outputs for node in graph.ancestors(output)}
    nodes = [node for node in graph.nodes if id(node) in needed]
    used = {*kept_outputs, *(name for node in nodes for name in node.inputs)}
    constants = {name: array for name, array in graph.constants.items() if name in used}
    return OnnxGraph.of(nodes, constants, graph.inputs, kept_outputs)
