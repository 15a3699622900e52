"""Replaces the sizes that a graph asks for at run time by numbers.

Requires inputs of fixed sizes. Ensures the same outputs; a Shape whose input onnx's own shape
inference knows is a constant afterwards, and so is all that hangs on it.
"""

from __future__ import annotations

import numpy as np

from edge_bert.formats.onnx.budget import OPERATOR_STEPS
from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode
from edge_bert.formats.onnx.passes.fold_constants import fold_constants
from edge_bert.formats.onnx.to_proto import shaped_model_of

MAX_ROUNDS = 50


def replace_shapes(graph: OnnxGraph, opset: int) -> OnnxGraph:
    """`graph` with as few computed sizes as inference can tell."""
    for _ in range(MAX_ROUNDS):
        before = len(graph.nodes)
        graph.budget.work(before * OPERATOR_STEPS)
        graph = fold_constants(graph)
        graph = _without_shapes(graph, infer_shapes(graph, opset))
        if len(graph.nodes) == before:
            break
    return graph


def infer_shapes(graph: OnnxGraph, opset: int) -> dict[str, list[int]]:
    """The sizes of every value that shape inference knows in full."""
    inferred = shaped_model_of(graph, opset).graph
    sizes = {name: list(array.shape) for name, array in graph.constants.items()}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(
            dimension.HasField("dim_value") for dimension in kind.shape.dim
        ):
            sizes[value.name] = [dimension.dim_value for dimension in kind.shape.dim]
    return sizes


def _without_shapes(graph: OnnxGraph, sizes: dict[str, list[int]]) -> OnnxGraph:
    constants: dict[str, Array] = dict(graph.constants)
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        shape = sizes.get(node.inputs[0]) if node.op == "Shape" else None
        if shape is None:
            nodes.append(node)
            continue
        start, end = node.attributes.get("start", 0), node.attributes.get("end")
        constants[node.outputs[0]] = np.array(shape[start:end], np.int64)
    return graph.replace(nodes, constants)
