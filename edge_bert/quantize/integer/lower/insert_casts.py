"""Rewrite: some activations in 16 bits or in float32, with a QUANTIZE or DEQUANTIZE between widths.

Requires: a graph of `build_graph`, and which outputs are to be wide; of float32 outputs, none of a
FULLY_CONNECTED. Ensures: the same float result. Operators that only move values keep the width of
their input; matrices and tables stay 8 bits; the biases of a 16-bit matrix product are int64, as
TFLite asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from edge_bert.quantize.integer.ir.graph import OperatorGraph, OperatorNode, TensorKind

# Operators whose output has the width and the scale of their first input.
MOVES = ("RESHAPE", "TRANSPOSE", "SLICE", "GATHER", "PAD", "REDUCE_MAX")
CASTABLE = (TensorKind.ACTIVATION, TensorKind.VECTOR, TensorKind.BIAS)
FLOAT, NARROW = 32, 8


def insert_casts(graph: OperatorGraph, outputs: Collection[str], bits: int = 16) -> OperatorGraph:
    """A copy of `graph` in which the tensors `outputs` have 16 bits, or 32: float32."""
    result = OperatorGraph(
        graph.length, inputs=list(graph.inputs), output=graph.output, exits=list(graph.exits)
    )
    result.tensors = {
        name: tensor
        for name, tensor in graph.tensors.items()
        if tensor.kind is not TensorKind.ACTIVATION
    }
    for node in graph.nodes:
        if graph.tensors[node.output].kind is TensorKind.IDS:  # whole numbers stay int32
            result.nodes.append(node)
            continue
        width = bits if node.output in outputs else NARROW
        if node.operator in MOVES:
            width = result.tensors[node.inputs[0]].bits
        inputs = tuple(_cast(result, name, width, node) for name in node.inputs)
        tensor = dataclasses.replace(graph.tensors[node.output], bits=width)
        result.tensors[node.output] = tensor
        result.nodes.append(dataclasses.replace(node, inputs=inputs))
    _drop_unused(result)
    return result


def _cast(graph: OperatorGraph, name: str, bits: int, node: OperatorNode) -> str:
    """`name` at the width that `node` computes in; adds a constant or a conversion if need be."""
    tensor = graph.tensors[name]
    if tensor.bits == bits or tensor.kind not in CASTABLE or node.operator in MOVES:
        return name
    copy = f"{name}/{bits}"
    if copy not in graph.tensors:
        graph.tensors[copy] = dataclasses.replace(tensor, name=copy, bits=bits, copy_of=name)
        if tensor.kind is TensorKind.ACTIVATION:
            operator = "DEQUANTIZE" if bits == FLOAT else "QUANTIZE"
            graph.nodes.append(OperatorNode(operator, (name,), copy))
    return copy


def _drop_unused(graph: OperatorGraph) -> None:
    used = {name for node in graph.nodes for name in (*node.inputs, node.output)}
    used |= set(graph.inputs)
    graph.tensors = {name: tensor for name, tensor in graph.tensors.items() if name in used}
