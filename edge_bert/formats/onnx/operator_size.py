"""How much one operator of an ONNX graph makes of its inputs, before it is run."""

from __future__ import annotations

import math

import numpy as np

from edge_bert.formats.onnx.budget import OPERATOR_STEPS
from edge_bert.formats.onnx.graph import Array, OnnxNode

# How many plain steps an element takes where onnx's reference computes one by one, as measured.
SLOW = {"Erf": 32, "Gelu": 32, "GatherND": 256, "ScatterND": 256}
TEXT = 8  # onnx.TensorProto's number


def count_elements(node: OnnxNode, values: list[Array]) -> int:
    """How many elements the node makes or sums up, at most.

    Raises ValueError, IndexError and others for inputs that the operator does not take.
    """
    match node.op:
        case "ConstantOfShape":
            return math.prod(_whole(values[0]))
        case "Expand":
            shape = tuple(_whole(values[1]))
            return math.prod(np.broadcast_shapes(values[0].shape, shape))
        case "Tile":
            return int(values[0].size) * math.prod(_whole(values[1]))
        case "Range":
            first, limit, delta = (float(value.reshape(())) for value in values)
            return max(0, math.ceil((limit - first) / delta))
        case "Gather" | "GatherND" | "GatherElements":
            return _count_gathered(node, *values)
        case "MatMul" | "Gemm":
            return _count_products(node, *values[:2])
        case "Pad":
            grown = [low + high for low, high in _pairs(_whole(values[1]))]
            return math.prod(n + more for n, more in zip(values[0].shape, grown, strict=True))
        case "Concat":
            return sum(value.size for value in values)
        case "Cast" if node.attributes.get("to") == TEXT:
            raise ValueError("texts are not computed")
        case "ScatterND":
            return int(values[0].size + values[2].size)
        case "Reshape" | "Slice" | "Transpose" | "Squeeze" | "Unsqueeze":
            return int(values[0].size)
        case op if op.startswith("Reduce") or op in ("Shape", "Split", "LayerNormalization"):
            return int(values[0].size)
    return math.prod(np.broadcast_shapes(*(value.shape for value in values)))


def count_steps(node: OnnxNode, elements: int, inputs: int) -> int:
    """What running the node takes of a budget, where it makes `elements` of `inputs` arrays."""
    return OPERATOR_STEPS + elements * max(1, inputs) * SLOW.get(node.op, 1)


def _count_gathered(node: OnnxNode, data: Array, indices: Array) -> int:
    if node.op == "GatherElements":
        return int(indices.size)
    if node.op == "Gather":
        rest = list(data.shape)
        del rest[int(node.attributes.get("axis", 0))]
        return int(indices.size * math.prod(rest))
    depth = int(node.attributes.get("batch_dims", 0)) + indices.shape[-1]
    return int(math.prod(indices.shape[:-1]) * math.prod(data.shape[depth:]))


def _count_products(node: OnnxNode, left: Array, right: Array) -> int:
    """How many products of two numbers are summed up."""
    if node.op == "Gemm":
        turned = bool(node.attributes.get("transB", 0))
        return int(left.size * right.shape[0 if turned else 1])
    batch = math.prod(np.broadcast_shapes(left.shape[:-2], right.shape[:-2]))
    rows = left.shape[-2] if left.ndim > 1 else 1
    columns = right.shape[-1] if right.ndim > 1 else 1
    return int(batch * rows * columns * left.shape[-1])


def _pairs(pads: list[int]) -> list[tuple[int, int]]:
    """The padding before and after each axis, which ONNX lists apart."""
    half = len(pads) // 2
    return list(zip(pads[:half], pads[half:], strict=True))


def _whole(value: Array) -> list[int]:
    return [int(size) for size in value.reshape(-1)]
