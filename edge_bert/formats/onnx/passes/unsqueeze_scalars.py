"""Gives the constant numbers of a calculation one axis.

Requires that no value of the graph is a number without axes. Ensures the same outputs. onnx2tf
hands a constant without axes on as a Python number, and TensorFlow's converter then no longer
sees the GELU that it is a part of.
"""

from __future__ import annotations

from edge_bert.formats.onnx.graph import OnnxGraph, OnnxNode

ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Where")


def unsqueeze_scalars(graph: OnnxGraph) -> OnnxGraph:
    """`graph` with float constants [1] in the place of those without axes."""
    constants = dict(graph.constants)
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        inputs = list(node.inputs)
        for index, name in enumerate(inputs):
            array = graph.constants.get(name)
            if node.op in ELEMENTWISE and array is not None and array.ndim == 0:
                inputs[index] = f"{name}/one_axis"
                constants[inputs[index]] = array.reshape(1)
        nodes.append(node.reading(inputs))
    return graph.replace(nodes, constants)
