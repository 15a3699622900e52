"""Keeps tokens as a plain matrix [length, width] instead of [1, length, width].

Requires fixed sizes and a batch of one. Ensures the same outputs, of the same sizes. onnx2tf takes
the second of three axes for the channels of a picture and guesses where that cannot be; wrongly,
where a sentence has as many tokens as a layer has channels. A matrix leaves nothing to guess, and
TFLite's FULLY_CONNECTED is fastest on it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode

ELEMENTWISE = (
    "Add", "Cast", "Div", "Dropout", "Erf", "Gelu", "Identity", "Mul", "Neg", "Pow", "Reciprocal",
    "Relu", "Sigmoid", "Sqrt", "Sub", "Tanh",
)  # fmt: skip
Sizes = dict[str, list[int]]


class _Flat:
    """The new graph while it grows; `matrix` names the matrix that stands for a value."""

    def __init__(self, graph: OnnxGraph, sizes: Sizes) -> None:
        self.graph, self.sizes = graph, sizes
        self.constants: dict[str, Array] = dict(graph.constants)
        self.nodes: list[OnnxNode] = []
        self.matrix: dict[str, str] = {}
        self.restored: set[str] = set()

    def shape(self, value: str) -> list[int] | None:
        """The sizes of a value, where known."""
        array = self.graph.constants.get(value)
        return list(array.shape) if array is not None else self.sizes.get(value)

    def is_flat(self, value: str) -> bool:
        """Whether a value has sizes [1, length, width]."""
        shape = self.shape(value)
        return shape is not None and len(shape) == 3 and shape[0] == 1

    def constant(self, name: str, array: Array) -> str:
        """A new constant."""
        self.constants[name] = array
        return name

    def reshape(self, value: str, to: list[int], name: str, like: OnnxNode) -> str:
        """A Reshape of `value`, called `name`."""
        shape = self.constant(f"{name}/to", np.array(to, np.int64))
        self.nodes.append(OnnxNode("Reshape", (value, shape), (name,), {}, name, "", like.opset))
        return name

    def operand(self, value: str, like: OnnxNode) -> str:
        """A value without its batch axis, for a node that works on matrices."""
        array = self.graph.constants.get(value)
        if array is not None:
            return self.constant(f"{value}/flat", array[0]) if array.ndim == 3 else value
        if value not in self.matrix and self.is_flat(value):
            shape = self.shape(value) or []
            self.matrix[value] = self.reshape(value, shape[1:], f"{value}/flat", like)
        return self.matrix.get(value, value)

    def restore(self, value: str, like: OnnxNode) -> str:
        """A value with its batch axis again, for a node that wants it."""
        if value in self.matrix and value not in self.restored and self.is_matrix_only(value):
            self.reshape(self.matrix[value], self.shape(value) or [], value, like)
            self.restored.add(value)
        return value

    def is_matrix_only(self, value: str) -> bool:
        """Whether only the matrix of `value` is computed so far."""
        return self.matrix[value] == f"{value}/matrix"


def squeeze_batch(graph: OnnxGraph, sizes: Sizes) -> OnnxGraph:
    """`graph` with matrices wherever each token is computed by itself."""
    flat = _Flat(graph, sizes)
    for node in graph.nodes:
        rule = RULES.get(node.op)
        if rule is None or len(node.outputs) != 1 or not rule(flat, node):
            inputs = [
                name if node.op == "Reshape" else flat.restore(name, node) for name in node.inputs
            ]
            if node.op == "Reshape":  # the order in memory is the same
                inputs[0] = flat.matrix.get(inputs[0], inputs[0])
            flat.nodes.append(node.reading(inputs))
    last = graph.nodes[-1]
    for output in graph.outputs:
        flat.restore(output, last)
    return graph.replace(flat.nodes, flat.constants)


def _put(flat: _Flat, node: OnnxNode, inputs: list[str], **changes: object) -> bool:
    output = f"{node.outputs[0]}/matrix"
    attributes = {**node.attributes, **changes}
    name = node.name or output
    flat.nodes.append(OnnxNode(node.op, tuple(inputs), (output,), attributes, name, "", node.opset))
    flat.matrix[node.outputs[0]] = output
    return True


def _elementwise(flat: _Flat, node: OnnxNode) -> bool:
    if not flat.is_flat(node.outputs[0]):
        return False
    shapes = [flat.shape(name) for name in node.inputs]
    if any(shape is None or len(shape) > 3 for shape in shapes):
        return False
    return _put(flat, node, [flat.operand(name, node) for name in node.inputs])


def _matmul(flat: _Flat, node: OnnxNode) -> bool:
    left_constant, right_constant = (flat.graph.constants.get(name) for name in node.inputs)
    weights = (
        right_constant is not None and right_constant.ndim == 2 and flat.is_flat(node.inputs[0])
    )
    rows = left_constant is not None and left_constant.ndim == 3 and flat.is_flat(node.inputs[1])
    if not weights and not rows:
        return False
    return _put(flat, node, [flat.operand(name, node) for name in node.inputs])


def _layer_norm(flat: _Flat, node: OnnxNode) -> bool:
    if not flat.is_flat(node.inputs[0]) or node.attributes.get("axis", -1) not in (-1, 2):
        return False
    return _put(flat, node, [flat.operand(node.inputs[0], node), *node.inputs[1:]], axis=-1)


def _mean(flat: _Flat, node: OnnxNode) -> bool:
    axes_constant = flat.graph.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = (
        list(node.attributes.get("axes", []))
        if axes_constant is None
        else axes_constant.reshape(-1).tolist()
    )
    if not flat.is_flat(node.inputs[0]) or axes not in ([-1], [2]):
        return False
    if not node.attributes.get("keepdims", 1):
        return False
    inputs = [flat.operand(node.inputs[0], node)]
    if axes_constant is None:
        return _put(flat, node, inputs, axes=[-1])
    axis = flat.constant(f"{node.outputs[0]}/axes", np.array([-1]))
    return _put(flat, node, [*inputs, axis])


def _gather(flat: _Flat, node: OnnxNode) -> bool:
    table, ids = flat.graph.constants.get(node.inputs[0]), flat.shape(node.inputs[1])
    if table is None or table.ndim != 2 or node.attributes.get("axis", 0) or ids is None:
        return False
    if len(ids) != 2 or ids[0] != 1:
        return False
    row = flat.reshape(node.inputs[1], ids[1:], f"{node.outputs[0]}/row", node)
    return _put(flat, node, [node.inputs[0], row])


def _reshape(flat: _Flat, node: OnnxNode) -> bool:
    if not flat.is_flat(node.outputs[0]):
        return False
    shape = flat.constant(
        f"{node.outputs[0]}/sizes", np.array((flat.shape(node.outputs[0]) or [])[1:], np.int64)
    )
    source = flat.matrix.get(node.inputs[0], node.inputs[0])
    return _put(flat, node, [source, shape])


RULES: dict[str, Callable[[_Flat, OnnxNode], bool]] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "Gather": _gather,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "ReduceMean": _mean,
    "Reshape": _reshape,
}
