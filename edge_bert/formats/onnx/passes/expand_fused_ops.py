"""Takes ONNX Runtime's fused operators apart into standard ones.

Requires a graph whose functions are inlined. Ensures that no operator of the domain com.microsoft
is left among those named here, but for attention that reads what no encoder has: a past, an order
of tokens, a mask of a form that is not known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode

STANDARD = 20  # the opset that the operators below are written in
MICROSOFT = "com.microsoft"
# What a fused operator raises that lacks an input or an attribute, or has one of another size:
# onnx's checker knows none of them.
MALFORMED = (
    *(KeyError, IndexError, ValueError, TypeError, AttributeError, ZeroDivisionError),
    RecursionError,
)
FLOAT = 1  # onnx.TensorProto's number


class _NotExpanded(Exception):  # noqa: N818 (the operator stays, and is named where it is met)
    """A fused operator in a form that is not known."""


class _Expansion:
    """The standard operators that stand for one fused operator, and their constants."""

    def __init__(self, node: OnnxNode, graph: OnnxGraph) -> None:
        self.node, self.graph = node, graph
        self.nodes: list[OnnxNode] = []
        self.constants: dict[str, Array] = {}

    def input_name(self, index: int) -> str:
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

    def add_cast(self, value: str) -> str:
        """`value` as float32."""
        output = f"{self.node.outputs[0]}/Cast_{len(self.nodes)}"
        attributes = {"to": FLOAT}
        self.nodes.append(OnnxNode("Cast", (value,), (output,), attributes, output, "", STANDARD))
        return output

    def number(self, name: str, default: float) -> float:
        """A number among the attributes."""
        return float(self.node.attributes.get(name, default))


def expand_fused_ops(graph: OnnxGraph) -> OnnxGraph:
    """`graph` without the fused operators that are known here."""
    constants = dict(graph.constants)
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        expand = FUSED.get(node.op)
        if expand is None or not _is_fused(node):
            nodes.append(node)
            continue
        expansion = _Expansion(node, graph)
        try:
            expand(expansion)
        except (_NotExpanded, *MALFORMED):
            nodes.append(node)
            continue
        nodes.extend(expansion.nodes)
        constants |= expansion.constants
    return graph.replace(nodes, constants)


def _is_fused(node: OnnxNode) -> bool:
    # ONNX Runtime keeps some of its operators in the standard domain.
    return node.domain == MICROSOFT or node.op in ("SkipLayerNormalization", "FastGelu")


def _skip_layer_norm(expansion: _Expansion) -> None:
    x, skip, gamma, beta, bias = (expansion.input_name(index) for index in range(5))
    if bias:
        x = expansion.add("Add", x, bias)
    outputs = expansion.node.outputs
    summed = expansion.add("Add", x, skip, to=outputs[3] if len(outputs) > 3 else "")
    _norm(expansion, summed, gamma, beta, to=outputs[0])


def _norm(expansion: _Expansion, x: str, gamma: str, beta: str, to: str) -> None:
    epsilon = expansion.number("epsilon", 1e-12)
    inputs = [x, gamma, beta] if beta else [x, gamma]
    expansion.add("LayerNormalization", *inputs, to=to, axis=-1, epsilon=epsilon)


def _embed_layer_norm(expansion: _Expansion) -> None:
    ids, types, word, position, type_table, gamma, beta, _, positions = (
        expansion.input_name(index) for index in range(9)
    )
    summed = expansion.add("Gather", word, ids, axis=0)
    if not positions:
        rows = expansion.graph.constants[position].shape[0]
        length = expansion.add(
            "Gather", expansion.add("Shape", ids), expansion.array(np.array([1]))
        )
        all_positions = expansion.array(np.arange(rows, dtype=np.int64)[None])
        first, axis = expansion.array(np.array([0])), expansion.array(np.array([1]))
        positions = expansion.add("Slice", all_positions, first, length, axis)
    summed = expansion.add("Add", summed, expansion.add("Gather", position, positions, axis=0))
    if type_table and types:
        summed = expansion.add("Add", summed, expansion.add("Gather", type_table, types, axis=0))
    _norm(expansion, summed, gamma, beta, to=expansion.node.outputs[0])


def _attention(expansion: _Expansion) -> None:
    """Attention: one matrix [hidden, 3 * hidden] for queries, keys and values."""
    x, weight, bias = (expansion.input_name(index) for index in range(3))
    matrix = expansion.graph.constants[weight]
    biases = expansion.graph.constants[bias] if bias else np.zeros(matrix.shape[1], matrix.dtype)
    sizes = expansion.node.attributes.get("qkv_hidden_sizes") or [matrix.shape[1] // 3] * 3
    ends = np.cumsum(sizes)[:-1]
    projected = [
        expansion.add(
            "Add", expansion.add("MatMul", x, expansion.array(kernel)), expansion.array(shift)
        )
        for kernel, shift in zip(
            np.split(matrix, ends, axis=1), np.split(biases, ends), strict=True
        )
    ]
    _refuse(expansion, inputs=(4, 6), attributes=("unidirectional", "do_rotary"))
    _attend(expansion, projected, 3, [int(size) for size in sizes])


def _multi_head_attention(expansion: _Expansion) -> None:
    """MultiHeadAttention: queries, keys and values are projected already."""
    projected = [expansion.input_name(index) for index in range(3)]
    bias = expansion.input_name(3)
    if bias:
        shifts = np.split(expansion.graph.constants[bias], 3)
        projected = [
            expansion.add("Add", operand, expansion.array(shift))
            for operand, shift in zip(projected, shifts, strict=True)
        ]
    _refuse(expansion, inputs=(6, 7, 8, 9), attributes=("unidirectional",))
    _attend(expansion, projected, 4, [0, 0, 0])


def _refuse(expansion: _Expansion, inputs: tuple[int, ...], attributes: tuple[str, ...]) -> None:
    """Leave attention with one of these inputs or attributes as it is."""
    if any(expansion.input_name(index) for index in inputs):
        raise _NotExpanded
    if any(expansion.node.attributes.get(name) for name in attributes):
        raise _NotExpanded


def _mask_bias(expansion: _Expansion, mask: str) -> str:
    """What is added to scores [batch, heads, length, length] for a mask of 1 and 0."""
    source = _raw_mask(expansion.graph, mask)
    numbers = expansion.add_cast(source)
    axes = expansion.array(np.array([1, 2]))
    rows = expansion.add("Unsqueeze", numbers, axes)
    hidden = expansion.add("Sub", expansion.array(np.array(1, np.float32)), rows)
    least = expansion.array(np.array(expansion.number("mask_filter_value", -10000.0), np.float32))
    return expansion.add("Mul", hidden, least)


def _raw_mask(graph: OnnxGraph, mask: str) -> str:
    """The mask [batch, length] that `mask` is, or counts the tokens of."""
    root = graph.root(mask)
    node = graph.maker(root)
    if node is None and len(graph.inputs[root].sizes or ()) == 2:
        return root
    if node is not None and node.op == "ReduceSum":
        return _raw_mask(graph, node.inputs[0])
    if node is not None and node.op == "EmbedLayerNormalization" and len(node.inputs) > 7:
        return _raw_mask(graph, node.inputs[7])
    raise _NotExpanded


def _attend(expansion: _Expansion, projected: list[str], mask: int, sizes: list[int]) -> None:
    """Attention of projected queries, keys and values; `mask` is the index of its input."""
    heads = int(expansion.node.attributes["num_heads"])
    split = expansion.array(np.array([0, 0, heads, sizes[0] // heads or -1]))
    query, key, value = (
        expansion.add("Transpose", expansion.add("Reshape", operand, split), perm=list(perm))
        for operand, perm in zip(projected, ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)), strict=True)
    )
    scores = expansion.add("MatMul", query, key)
    scale = (
        expansion.number("scale", 0.0)
        or _count_channels(expansion, projected[0], sizes[0]) ** -0.5 * heads**0.5
    )
    scores = expansion.add("Mul", scores, expansion.array(np.array(scale, np.float32)))
    if expansion.input_name(mask):
        scores = expansion.add("Add", scores, _mask_bias(expansion, expansion.input_name(mask)))
    if expansion.input_name(5):
        scores = expansion.add("Add", scores, expansion.input_name(5))
    context = expansion.add("MatMul", expansion.add("Softmax", scores, axis=-1), value)
    together = expansion.add("Transpose", context, perm=[0, 2, 1, 3])
    joined = expansion.array(np.array([0, 0, -1]))
    expansion.add("Reshape", together, joined, to=expansion.node.outputs[0])


def _count_channels(expansion: _Expansion, value: str, width: int) -> int:
    """The channels of all heads together, where need be from the dense layer that makes them."""
    while not width:
        node = next(
            (candidate for candidate in expansion.nodes if value in candidate.outputs), None
        )
        node = node or expansion.graph.maker(value, "Add", "MatMul")
        if node is None:
            return 1  # not a dense layer, so that nobody recognises it anyway
        arrays = (expansion.constants.get(n, expansion.graph.constants.get(n)) for n in node.inputs)
        width = next((array.shape[-1] for array in arrays if array is not None), 0)
        value = node.inputs[0]
    return width


def _bias_gelu(expansion: _Expansion) -> None:
    x, bias = expansion.input_name(0), expansion.input_name(1)
    kind = "tanh" if expansion.node.op == "FastGelu" else "none"
    x = expansion.add("Add", x, bias) if bias else x
    expansion.add("Gelu", x, to=expansion.node.outputs[0], approximate=kind)


def _fused_matmul(expansion: _Expansion) -> None:
    sides = []
    for index, name in enumerate(("transA", "transB")):
        side = expansion.input_name(index)
        array = expansion.graph.constants.get(side)
        turned = bool(expansion.node.attributes.get(name, 0))
        if turned and array is not None:
            side = expansion.array(np.swapaxes(array, -1, -2))
        elif turned:
            # Of values [batch, heads, length, channels], the only ones that encoders turn.
            side = expansion.add("Transpose", side, perm=[0, 1, 3, 2])
        sides.append(side)
    alpha = expansion.number("alpha", 1.0)
    product = expansion.add("MatMul", *sides, to="" if alpha != 1.0 else expansion.node.outputs[0])
    if alpha != 1.0:
        factor = expansion.array(np.array(alpha, np.float32))
        expansion.add("Mul", product, factor, to=expansion.node.outputs[0])


FUSED: dict[str, Callable[[_Expansion], None]] = {
    "Attention": _attention,
    "BiasGelu": _bias_gelu,
    "EmbedLayerNormalization": _embed_layer_norm,
    "FastGelu": _bias_gelu,
    "FusedMatMul": _fused_matmul,
    "Gelu": _bias_gelu,
    "MultiHeadAttention": _multi_head_attention,
    "SkipLayerNormalization": _skip_layer_norm,
}
