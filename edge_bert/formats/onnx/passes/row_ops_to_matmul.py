"""Writes what moves tokens about as products with constant matrices.

Requires fixed sizes. Ensures the same outputs, exactly: the matrices hold zeros and ones. onnx2tf
takes the axes of [1, length, width] for those of a picture, and turns Slice, Pad and Concat on
them wrongly (MobileBERT's embeddings); a matrix product has no such axes.
"""

from __future__ import annotations

import math

import numpy as np

from edge_bert.formats.onnx.evaluate import MAX_ELEMENTS, NotComputed, compute_values
from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode


def row_ops_to_matmul(graph: OnnxGraph, sizes: dict[str, list[int]]) -> OnnxGraph:
    """`graph` without Slice and Pad of tokens, and Concat before a dense layer."""
    constants: dict[str, Array] = dict(graph.constants)
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        match node.op:
            case "Slice" | "Pad":
                nodes.extend(_replace_row_move(graph, node, sizes, constants))
            case "MatMul":
                nodes.extend(_split_concat(graph, node, sizes, constants))
            case _:
                nodes.append(node)
    return graph.replace(nodes, constants)


def _replace_row_move(
    graph: OnnxGraph, node: OnnxNode, sizes: dict[str, list[int]], constants: dict[str, Array]
) -> list[OnnxNode]:
    """Slice or Pad of [1, length, width] along the tokens: which row comes from which?"""
    shape, output_shape = sizes.get(node.inputs[0]), sizes.get(node.outputs[0])
    operands = [graph.constants.get(name) for name in node.inputs[1:] if name]
    if shape is None or output_shape is None or any(operand is None for operand in operands):
        return [node]
    if (
        len(shape) != 3
        or (shape[0], shape[2]) != (output_shape[0], output_shape[2])
        or shape[0] != 1
        or max(math.prod(shape), shape[1] * output_shape[1]) > MAX_ELEMENTS
    ):
        return [node]
    numbers = np.arange(1, shape[1] + 1, dtype=np.float32)
    rows = np.broadcast_to(numbers[None, :, None], shape).copy()
    try:
        (moved,) = compute_values(
            node,
            [rows, *(operand for operand in operands if operand is not None)],
            graph.budget,
        )
    except NotComputed:
        return [node]
    source = moved[0, :, 0]
    if not np.isin(source, [0, *numbers]).all():  # padding with something else than zero
        return [node]
    return _product(node, (source[:, None] == numbers).astype(np.float32)[None], constants)


def _product(node: OnnxNode, matrix: Array, constants: dict[str, Array]) -> list[OnnxNode]:
    name = f"{node.outputs[0]}/rows"
    constants[name] = matrix
    inputs = (name, node.inputs[0])
    return [OnnxNode("MatMul", inputs, node.outputs, {}, node.name, "", node.opset)]


def _split_concat(
    graph: OnnxGraph, node: OnnxNode, sizes: dict[str, list[int]], constants: dict[str, Array]
) -> list[OnnxNode]:
    """Concat(a, b) times a matrix is a times its first rows plus b times the others."""
    concat, matrix = graph.maker(node.inputs[0], "Concat"), graph.constants.get(node.inputs[1])
    shape = sizes.get(node.inputs[0])
    shapes = [sizes.get(name) for name in concat.inputs] if concat else []
    if concat is None or matrix is None or shape is None or any(piece is None for piece in shapes):
        return [node]
    axis = int(concat.attributes.get("axis", 0)) % len(shape)
    if axis != len(shape) - 1 or matrix.ndim != 2 or len(shapes) < 2:
        return [node]
    ends = np.cumsum([piece[-1] for piece in shapes if piece])[:-1]
    output, total = node.outputs[0], ""
    products: list[OnnxNode] = []
    for index, (operand, rows) in enumerate(
        zip(concat.inputs, np.split(matrix, ends), strict=True)
    ):
        kernel, product = f"{output}/kernel_{index}", f"{output}/product_{index}"
        constants[kernel] = np.ascontiguousarray(rows)
        products.append(
            OnnxNode("MatMul", (operand, kernel), (product,), {}, product, "", node.opset)
        )
        if index == 0:
            total = product
            continue
        summed = output if index == len(shapes) - 1 else f"{output}/sum_{index}"
        products.append(OnnxNode("Add", (total, product), (summed,), {}, summed, "", node.opset))
        total = summed
    return products
