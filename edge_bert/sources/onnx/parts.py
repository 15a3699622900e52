"""Dense layers and layer normalizations, in whatever operators an exporter wrote them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.formats.onnx.graph import ALIASES, RESHAPES, Array, OnnxGraph
from edge_bert.records.checkpoint import FloatArray

BEFORE_BIAS = (*ALIASES, *RESHAPES)


class NotRecognized(Exception):  # noqa: N818 (a caller makes the user's error of it)
    """The graph is not the encoder that we look for; the message says where it differs."""


class NotNamed(NotRecognized):
    """Its inputs or outputs have no meaning that is known, by whatever way in."""


MAX_TOKENS = 2**15


def require_few_tokens(batch: int, length: int) -> None:
    """NotRecognized for a graph that is fixed to more tokens at once than are made to try it."""
    if batch * length > MAX_TOKENS:
        raise NotRecognized(f"it takes {batch} x {length} tokens at once, and no other number")


@dataclass(frozen=True, eq=False)
class Linear:
    """`output = input @ kernel + bias`, the kernel as [inputs, outputs]."""

    input: str
    output: str
    kernel: FloatArray
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class OnnxNorm:
    """Layer normalization over the last axis."""

    input: str
    output: str
    gamma: FloatArray
    beta: FloatArray
    epsilon: float


def find_linear(graph: OnnxGraph, value: str) -> Linear | None:
    """The dense layer that makes `value`: Gemm, MatMul, or MatMul and Add."""
    node = graph.maker(value, "Add", "MatMul", "Gemm")
    if node is None:
        return None
    if node.op == "MatMul":
        return _matmul(graph, value, value, None)
    if node.op == "Gemm":
        return _gemm(graph, value)
    for bias, product in (node.inputs, node.inputs[::-1]):
        array = as_bias(graph.constant(bias))
        matmul = graph.maker(graph.root(product, BEFORE_BIAS), "MatMul")
        if array is not None and matmul is not None:
            return _matmul(graph, matmul.outputs[0], value, array)
    return None


def _matmul(graph: OnnxGraph, product: str, output: str, bias: FloatArray | None) -> Linear | None:
    node = graph.makers[product]
    kernel = as_matrix(graph.constant(node.inputs[1]))
    if kernel is None or (bias is not None and bias.size != kernel.shape[1]):
        return None
    shift = np.zeros(kernel.shape[1], np.float32) if bias is None else bias
    return Linear(node.inputs[0], output, kernel, shift)


def _gemm(graph: OnnxGraph, value: str) -> Linear | None:
    node = graph.makers[value]
    kernel = as_matrix(graph.constant(node.inputs[1]))
    plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
    if kernel is None or any(node.attributes.get(key, was) != was for key, was in plain.items()):
        return None
    kernel = np.ascontiguousarray(kernel.T) if node.attributes.get("transB") else kernel
    bias: FloatArray | None = np.zeros(kernel.shape[1], np.float32)
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = as_bias(graph.constant(node.inputs[2]))
    if bias is None or bias.size != kernel.shape[1]:
        return None
    return Linear(node.inputs[0], value, kernel, bias)


def find_norms(graph: OnnxGraph) -> list[OnnxNorm]:
    """Every layer normalization, in the order of the graph."""
    norms = (find_norm(graph, node.outputs[0]) for node in graph.nodes if node.outputs[0])
    return [norm for norm in norms if norm is not None]


def find_norm(graph: OnnxGraph, value: str) -> OnnxNorm | None:
    """The layer normalization that makes `value`, as one operator or as a chain of nine."""
    layer_norm = graph.maker(value, "LayerNormalization")
    if layer_norm is not None and value == layer_norm.outputs[0]:
        gamma = as_vector(graph.constant(layer_norm.inputs[1]))
        beta = (
            as_vector(graph.constant(layer_norm.inputs[2])) if len(layer_norm.inputs) > 2 else None
        )
        if gamma is None or layer_norm.attributes.get("axis", -1) not in (-1, 2):
            return None
        shift = np.zeros_like(gamma) if beta is None else beta
        epsilon = float(layer_norm.attributes.get("epsilon", 1e-5))
        return OnnxNorm(layer_norm.inputs[0], value, gamma, shift, epsilon)
    scaled, beta = _with_vector(graph, value, "Add")
    unit, gamma = _with_vector(graph, scaled, "Mul") if scaled else (None, None)
    if unit is None or beta is None or gamma is None:
        return None
    source = _unit_variance(graph, unit)
    return OnnxNorm(source[0], value, gamma, beta, source[1]) if source else None


def _with_vector(
    graph: OnnxGraph, value: str, op: str
) -> tuple[str, FloatArray] | tuple[None, None]:
    """The operand of `op` that is computed, and the one that is a constant vector."""
    node = graph.maker(graph.root(value), op)
    for operand, constant in (node.inputs, node.inputs[::-1]) if node else ():
        array = as_vector(graph.constant(constant))
        if array is not None:
            return operand, array
    return None, None


def _unit_variance(graph: OnnxGraph, value: str) -> tuple[str, float] | None:
    """x and epsilon, where value = (x - mean(x)) / sqrt(mean((x - mean(x)) ** 2) + epsilon)."""
    divided = graph.maker(graph.root(value), "Div")
    if divided is None:
        return None
    centred = graph.maker(graph.root(divided.inputs[0]), "Sub")
    root = graph.maker(graph.root(divided.inputs[1]), "Sqrt")
    shifted = graph.maker(graph.root(root.inputs[0]), "Add") if root else None
    if centred is None or shifted is None:
        return None
    mean = graph.maker(graph.root(centred.inputs[1]), "ReduceMean")
    if mean is None or graph.root(mean.inputs[0]) != graph.root(centred.inputs[0]):
        return None
    for variance, epsilon in (shifted.inputs, shifted.inputs[::-1]):
        number = as_scalar(graph.constant(epsilon))
        if number is not None and graph.maker(graph.root(variance), "ReduceMean"):
            return centred.inputs[0], number
    return None


def as_scalar(array: Array | None) -> float | None:
    """The number in `array`, None if there is none or more than one."""
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def as_vector(array: Array | None) -> FloatArray | None:
    """`array` as [n], if it is floats with one axis that counts and more than one element."""
    if array is None or array.dtype.kind != "f" or array.ndim < 1:
        return None
    if not array.size == array.shape[-1] > 1:
        return None
    return array.reshape(-1).astype(np.float32, copy=False)


def as_bias(array: Array | None) -> FloatArray | None:
    """As `as_vector`, or the one number that is added where there is one channel."""
    if array is not None and array.dtype.kind == "f" and array.size == 1:
        return array.reshape(-1).astype(np.float32, copy=False)
    return as_vector(array)


def as_matrix(array: Array | None) -> FloatArray | None:
    """`array` as float32, if it is a matrix of floats."""
    if array is None or array.dtype.kind != "f" or array.ndim != 2:
        return None
    return array.astype(np.float32, copy=False)
