"""Takes ONNX Runtime's fused operators apart into standard ones.

Requires a graph whose functions are inlined. Ensures that no operator of the domain com.microsoft
is left among those named here; masks are kept where they are added to scores, and dropped where
they come as an index, because a length bucket brings its own (the parity check sees both).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode

STANDARD = 20  # the opset that the operators below are written in
MICROSOFT = "com.microsoft"


class _Parts:
    """The standard operators that stand for one fused operator, and their constants."""

    def __init__(self, node: OnnxNode, graph: OnnxGraph) -> None:
        self.node, self.graph = node, graph
        self.nodes: list[OnnxNode] = []
        self.constants: dict[str, Array] = {}

    def given(self, index: int) -> str:
        """The name of an optional input, empty where it is left out."""
        return self.node.inputs[index] if index < len(self.node.inputs) else ""

    def array(self, value: Array) -> str:
        """A new constant."""
        name = f"{self.node.outputs[0]}/constant_{len(self.constants)}"
        self.constants[name] = value
        return name

    def add(self, op: str, *inputs: str, to: str = "", **attributes: object) -> str:
        """A new operator; gives the name of its output."""
        output = to or f"{self.node.outputs[0]}/{op}_{len(self.nodes)}"
        self.nodes.append(
            OnnxNode(op, inputs, (output,), attributes, self.node.name or output, "", STANDARD)
        )
        return output

    def number(self, name: str, default: float) -> float:
        """A number among the attributes."""
        return float(self.node.attributes.get(name, default))


def expand_fused_ops(graph: OnnxGraph) -> OnnxGraph:
    """`graph` without the fused operators that are known here."""
    constants = dict(graph.constants)
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        take_apart = FUSED.get(node.op)
        if take_apart is None or not _is_fused(node):
            nodes.append(node)
            continue
        parts = _Parts(node, graph)
        take_apart(parts)
        nodes.extend(parts.nodes)
        constants |= parts.constants
    return OnnxGraph.of(nodes, constants, graph.inputs, graph.outputs)


def _is_fused(node: OnnxNode) -> bool:
    # ONNX Runtime keeps some of its operators in the standard domain.
    return node.domain == MICROSOFT or node.op in ("SkipLayerNormalization", "FastGelu")


def _skip_layer_norm(parts: _Parts) -> None:
    x, skip, gamma, beta, bias = (parts.given(index) for index in range(5))
    if bias:
        x = parts.add("Add", x, bias)
    outputs = parts.node.outputs
    summed = parts.add("Add", x, skip, to=outputs[3] if len(outputs) > 3 else "")
    _norm(parts, summed, gamma, beta, to=outputs[0])


def _norm(parts: _Parts, x: str, gamma: str, beta: str, to: str) -> None:
    epsilon = parts.number("epsilon", 1e-12)
    inputs = [x, gamma, beta] if beta else [x, gamma]
    parts.add("LayerNormalization", *inputs, to=to, axis=-1, epsilon=epsilon)


def _embed_layer_norm(parts: _Parts) -> None:
    ids, types, word, position, type_table, gamma, beta, _, positions = (
        parts.given(index) for index in range(9)
    )
    summed = parts.add("Gather", word, ids, axis=0)
    if not positions:
        rows = parts.graph.constants[position].shape[0]
        length = parts.add("Gather", parts.add("Shape", ids), parts.array(np.array([1])))
        every = parts.array(np.arange(rows, dtype=np.int64)[None])
        start, axis = parts.array(np.array([0])), parts.array(np.array([1]))
        positions = parts.add("Slice", every, start, length, axis)
    summed = parts.add("Add", summed, parts.add("Gather", position, positions, axis=0))
    if type_table and types:
        summed = parts.add("Add", summed, parts.add("Gather", type_table, types, axis=0))
    _norm(parts, summed, gamma, beta, to=parts.node.outputs[0])


def _attention(parts: _Parts) -> None:
    """Attention: one matrix [hidden, 3 * hidden] for queries, keys and values."""
    x, weight, bias = (parts.given(index) for index in range(3))
    matrix = parts.graph.constants[weight]
    biases = parts.graph.constants[bias] if bias else np.zeros(matrix.shape[1], matrix.dtype)
    sizes = parts.node.attributes.get("qkv_hidden_sizes") or [matrix.shape[1] // 3] * 3
    ends = np.cumsum(sizes)[:-1]
    projected = [
        parts.add("Add", parts.add("MatMul", x, parts.array(kernel)), parts.array(shift))
        for kernel, shift in zip(
            np.split(matrix, ends, axis=1), np.split(biases, ends), strict=True
        )
    ]
    _attend(parts, projected, parts.given(5), [int(size) for size in sizes])


def _multi_head_attention(parts: _Parts) -> None:
    """MultiHeadAttention: queries, keys and values are projected already."""
    projected = [parts.given(index) for index in range(3)]
    bias = parts.given(3)
    if bias:
        shifts = np.split(parts.graph.constants[bias], 3)
        projected = [
            parts.add("Add", each, parts.array(shift))
            for each, shift in zip(projected, shifts, strict=True)
        ]
    _attend(parts, projected, parts.given(5), [0, 0, 0])


def _attend(parts: _Parts, projected: list[str], scores_bias: str, sizes: list[int]) -> None:
    heads = int(parts.node.attributes["num_heads"])
    split = parts.array(np.array([0, 0, heads, sizes[0] // heads or -1]))
    query, key, value = (
        parts.add("Transpose", parts.add("Reshape", each, split), perm=list(perm))
        for each, perm in zip(projected, ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)), strict=True)
    )
    scores = parts.add("MatMul", query, key)
    scale = parts.number("scale", 0.0) or _width(parts, projected[0], sizes[0]) ** -0.5 * heads**0.5
    scores = parts.add("Mul", scores, parts.array(np.array(scale, np.float32)))
    if scores_bias:
        scores = parts.add("Add", scores, scores_bias)
    context = parts.add("MatMul", parts.add("Softmax", scores, axis=-1), value)
    together = parts.add("Transpose", context, perm=[0, 2, 1, 3])
    joined = parts.array(np.array([0, 0, -1]))
    parts.add("Reshape", together, joined, to=parts.node.outputs[0])


def _width(parts: _Parts, value: str, known: int) -> int:
    """The channels of all heads together, where need be from the dense layer that makes them."""
    while not known:
        node = next((each for each in parts.nodes if value in each.outputs), None)
        node = node or parts.graph.maker(value, "Add", "MatMul")
        if node is None:
            return 1  # not a dense layer, so that nobody recognises it anyway
        arrays = (parts.constants.get(n, parts.graph.constants.get(n)) for n in node.inputs)
        known = next((array.shape[-1] for array in arrays if array is not None), 0)
        value = node.inputs[0]
    return known


def _bias_gelu(parts: _Parts) -> None:
    x, bias = parts.given(0), parts.given(1)
    kind = "tanh" if parts.node.op == "FastGelu" else "none"
    x = parts.add("Add", x, bias) if bias else x
    parts.add("Gelu", x, to=parts.node.outputs[0], approximate=kind)


def _fused_matmul(parts: _Parts) -> None:
    sides = []
    for index, name in enumerate(("transA", "transB")):
        side = parts.given(index)
        array = parts.graph.constants.get(side)
        turned = bool(parts.node.attributes.get(name, 0))
        if turned and array is not None:
            side = parts.array(np.swapaxes(array, -1, -2))
        elif turned:
            side = parts.add("Transpose", side)  # its order does not matter to those who read it
        sides.append(side)
    alpha = parts.number("alpha", 1.0)
    product = parts.add("MatMul", *sides, to="" if alpha != 1.0 else parts.node.outputs[0])
    if alpha != 1.0:
        factor = parts.array(np.array(alpha, np.float32))
        parts.add("Mul", product, factor, to=parts.node.outputs[0])


FUSED: dict[str, Callable[[_Parts], None]] = {
    "Attention": _attention,
    "BiasGelu": _bias_gelu,
    "EmbedLayerNormalization": _embed_layer_norm,
    "FastGelu": _bias_gelu,
    "FusedMatMul": _fused_matmul,
    "Gelu": _bias_gelu,
    "MultiHeadAttention": _multi_head_attention,
    "SkipLayerNormalization": _skip_layer_norm,
}
