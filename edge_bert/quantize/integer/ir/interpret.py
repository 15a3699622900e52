"""The graph in float, operator by operator, in numpy: to observe values and to check equality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.numpy_ops import apply_activation, softmax
from edge_bert.quantize.integer.ir.graph import OperatorGraph, OperatorNode

Array = npt.NDArray[Any]
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": np.divide,
    "MINIMUM": np.minimum,
}
ACTIVATIONS = {"RELU": "relu", "TANH": "tanh", "LOGISTIC": "sigmoid"}
Observer = Callable[[OperatorNode, Array], None]


def interpret_graph(
    graph: OperatorGraph, inputs: Mapping[str, Array], observe: Observer | None = None
) -> Array:
    """The float output of `graph`; `observe` gets every operator with its output."""
    values: dict[str, Array] = {
        name: tensor.value for name, tensor in graph.tensors.items() if tensor.value is not None
    }
    values |= {name: inputs[name] for name in graph.inputs}
    for node in graph.nodes:
        values[node.output] = _compute(node, [values[name] for name in node.inputs])
        if observe is not None:
            observe(node, values[node.output])
    return values[graph.output]


def _compute(node: OperatorNode, inputs: list[Array]) -> Array:
    if node.operator in BINARY:
        return np.asarray(BINARY[node.operator](inputs[0], inputs[1]))
    match node.operator:
        case "RSQRT":
            return np.asarray(1.0 / np.sqrt(np.maximum(inputs[0], 1e-24)), np.float32)
        case "FULLY_CONNECTED":
            return inputs[0] @ inputs[1].T + inputs[2]
        case "BATCH_MATMUL":
            right = np.swapaxes(inputs[1], -1, -2) if node.options["adj_y"] else inputs[1]
            return inputs[0] @ right
        case "MEAN":
            return np.asarray(inputs[0].mean(axis=tuple(inputs[1]), keepdims=True), np.float32)
        case "L2_NORMALIZATION":
            return np.asarray(
                inputs[0] / np.linalg.norm(inputs[0], axis=-1, keepdims=True), np.float32
            )
        case "SOFTMAX":
            return softmax(inputs[0])
        case "GELU":
            return apply_activation(
                inputs[0], "gelu_tanh" if node.options["approximate"] else "gelu"
            )
        case "RELU" | "TANH" | "LOGISTIC":
            return apply_activation(inputs[0], ACTIVATIONS[node.operator])
        case "SUM":
            return _reduce(np.sum, node, inputs)
    return _move_values(node, inputs)


def _move_values(node: OperatorNode, inputs: list[Array]) -> Array:
    """Operators that only move values."""
    match node.operator:
        case "GATHER":
            return inputs[0][inputs[1]]
        case "QUANTIZE" | "DEQUANTIZE":  # only the width changes
            return inputs[0].copy()  # rounding the copy leaves the original
        case "RESHAPE":
            return inputs[0].reshape(inputs[1])
        case "TRANSPOSE":
            return inputs[0].transpose(inputs[1])
        case "REDUCE_MAX":
            return _reduce(np.max, node, inputs)
        case "PAD":
            return np.pad(inputs[0], inputs[1])
        case "SLICE":
            begin, size = inputs[1], inputs[2]
            return inputs[0][tuple(slice(b, b + s) for b, s in zip(begin, size, strict=True))]
    raise ValueError(f"no float form of {node.operator}")


def _reduce(function: Any, node: OperatorNode, inputs: list[Array]) -> Array:
    """A reduction over some axes."""
    axes, keep = tuple(inputs[1]), node.options["keep_dims"]
    return np.asarray(function(inputs[0], axis=axes, keepdims=keep), inputs[0].dtype)
