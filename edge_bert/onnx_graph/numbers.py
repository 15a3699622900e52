"""Gives the constants of a calculation as many axes as what they are calculated with.

Requires known sizes. Ensures the same outputs: axes of one element come first, as broadcasting
would put them. onnx2tf hands a constant without axes on as a Python number, and TensorFlow's
converter then no longer sees the GELU that it is a part of; and it guesses which axis a vector
belongs to, wrongly where a sentence has as many tokens as a layer has channels.
"""

from __future__ import annotations

from edge_bert.onnx_graph.graph import Graph, Node

ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Where")


def give_axes(graph: Graph, sizes: dict[str, list[int]]) -> Graph:
    """`graph` with such constants; `sizes` of its values, where known."""
    constants = dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = list(node.inputs)
        axes = max(len(sizes.get(node.outputs[0], [])), 1)
        for index, name in enumerate(inputs):
            array = graph.constants.get(name)
            if node.op in ELEMENTWISE and array is not None and array.ndim < axes:
                inputs[index] = f"{name}/{axes}_axes"
                shape = (1,) * (axes - array.ndim) + array.shape
                constants[inputs[index]] = array.reshape(shape)
        nodes.append(node.reading(inputs))
    return Graph.of(nodes, constants, graph.inputs, graph.outputs)
