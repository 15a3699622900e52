"""Rewrite: some activations in 16 bits, with a QUANTIZE wherever the two widths meet.

Requires: a graph as `form.build` makes it, and which outputs are to be wide.
Ensures: the same float result. Operators that only move values keep the width of their input;
matrices and tables stay 8 bits; the biases of a wide matrix product are int64, as TFLite asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edge_bert.quantize.integer.graph import Graph, Kind, Node, Tensor

MOVES = ("RESHAPE", "TRANSPOSE", "SLICE", "GATHER")
WIDE, NARROW = 16, 8


def widen(graph: Graph, wide: Callable[[str], bool]) -> Graph:
    """A copy of `graph` in which the outputs that `wide` names have 16 bits."""
    result = Graph(graph.length, inputs=list(graph.inputs), output=graph.output)
    result.tensors = {
        name: tensor for name, tensor in graph.tensors.items() if tensor.kind is not Kind.ACTIVATION
    }
    for node in graph.nodes:
        bits = _width(result, node, wide)
        inputs = tuple(_at(result, name, bits, node) for name in node.inputs)
        tensor = dataclasses.replace(graph.tensors[node.output], bits=bits)
        result.tensors[node.output] = tensor
        result.nodes.append(dataclasses.replace(node, inputs=inputs))
    _drop_unused(result)
    return result


def _width(graph: Graph, node: Node, wide: Callable[[str], bool]) -> int:
    if node.operator in MOVES:
        return graph.tensors[node.inputs[0]].bits
    return WIDE if wide(node.output) else NARROW


def _at(graph: Graph, name: str, bits: int, node: Node) -> str:
    """`name` at the width that `node` computes in; a constant or a QUANTIZE is added if need be."""
    tensor = graph.tensors[name]
    if tensor.bits == bits or tensor.kind not in (Kind.ACTIVATION, Kind.VECTOR, Kind.BIAS):
        return name
    if node.operator in MOVES:
        return name
    copy = f"{name}/{bits}"
    if copy not in graph.tensors:
        graph.tensors[copy] = dataclasses.replace(tensor, name=copy, bits=bits)
        if tensor.kind is Kind.ACTIVATION:
            graph.nodes.append(Node("QUANTIZE", (name,), copy))
    return copy


def _drop_unused(graph: Graph) -> None:
    used = {name for node in graph.nodes for name in (*node.inputs, node.output)}
    used |= set(graph.inputs)
    graph.tensors = {name: t for name, t in graph.tensors.items() if name in used}


def plain_name(tensor: Tensor) -> str:
    """The name under which a tensor's range was observed."""
    return tensor.name.removesuffix(f"/{tensor.bits}")
