"""Takes out the guards of exporters that do nothing in a sentence of fixed length.

Requires fixed sizes, and a mask with at least one real token, as every sentence has. Ensures the
same outputs: `And` with a constant that is true everywhere is its other side, a Where that
replaces what IsNaN found after a softmax is the softmax, a gather of every element in its order is
a copy, and a gather from a constant that is the same everywhere is a constant.
"""

from __future__ import annotations

import math

import numpy as np

from edge_bert.formats.onnx.evaluate import MAX_ELEMENTS
from edge_bert.formats.onnx.graph import ALIASES, Array, OnnxGraph, OnnxNode


def remove_guards(graph: OnnxGraph, sizes: dict[str, list[int]]) -> OnnxGraph:
    """`graph` with copies in the place of such guards; `sizes` of its values, where known."""
    constants: dict[str, Array] = dict(graph.constants)
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        uniform, shape = _uniform(graph, node), sizes.get(node.outputs[0])
        if uniform is not None and shape is not None and math.prod(shape) <= MAX_ELEMENTS:
            graph.budget.keep(math.prod(shape) * uniform.itemsize)
            constants[node.outputs[0]] = np.full(shape, uniform)
        else:
            nodes.append(_replace_guard(graph, node, sizes, constants))
    return graph.replace(nodes, constants)


def _uniform(graph: OnnxGraph, node: OnnxNode) -> Array | None:
    """The one value that GatherElements can find."""
    if node.op != "GatherElements":
        return None
    array = graph.constant(node.inputs[0])
    if array is None or not array.size or (array != array.flat[0]).any():
        return None
    return np.asarray(array.flat[0])


def _replace_guard(
    graph: OnnxGraph, node: OnnxNode, sizes: dict[str, list[int]], constants: dict[str, Array]
) -> OnnxNode:
    source_alike = _find_passed_value(graph, node)
    if source_alike is not None and sizes.get(source_alike) == sizes.get(node.outputs[0], []):
        return OnnxNode("Identity", (source_alike,), node.outputs, {}, node.name, "", node.opset)
    shape = sizes.get(node.outputs[0])
    source = _find_identity_gather(graph, node, sizes)
    if source is None or shape is None:
        return node
    name = f"{node.outputs[0]}/sizes"
    constants[name] = np.array(shape, np.int64)
    return OnnxNode("Reshape", (source, name), node.outputs, {}, node.name, "", node.opset)


def _find_passed_value(graph: OnnxGraph, node: OnnxNode) -> str | None:
    if node.op == "And":
        for guard, operand in (node.inputs, node.inputs[::-1]):
            array = graph.constant(guard)
            if array is not None and bool(array.all()):
                return operand
    if node.op == "Where":
        test = graph.maker(graph.root(node.inputs[0]), "IsNaN")
        softmax = graph.maker(graph.root(node.inputs[2], ALIASES), "Softmax")
        if test is not None and softmax is not None and test.inputs[0] == node.inputs[2]:
            return node.inputs[2]
    return None


def _find_identity_gather(
    graph: OnnxGraph, node: OnnxNode, sizes: dict[str, list[int]]
) -> str | None:
    """The source of a Gather or GatherND that takes each of its elements once, in order."""
    if node.op not in ("Gather", "GatherND") or node.attributes.get("batch_dims", 0):
        return None
    indices, shape = graph.constant(node.inputs[1]), sizes.get(node.inputs[0])
    if indices is None or shape is None or shape[0] != 1:
        return None
    count = math.prod(shape)
    if count != (indices.size if node.op == "Gather" else math.prod(indices.shape[:-1])):
        return None
    if node.op == "Gather":
        axis = int(node.attributes.get("axis", 0)) % len(shape)
        takes_all = shape[axis] == count and np.array_equal(indices.reshape(-1), np.arange(count))
        return node.inputs[0] if takes_all else None
    if indices.shape[-1] != len(shape):
        return None
    flat = np.ravel_multi_index(tuple(np.moveaxis(indices, -1, 0)), tuple(shape), mode="wrap")
    return node.inputs[0] if np.array_equal(flat.reshape(-1), np.arange(count)) else None
