"""The operators of the integer graph in keras.ops, for a batch of sentences at once.

They are those of `quantize/integer/ir/interpret.py`, which runs one sentence in numpy: a value has
the shape of the graph behind an axis of sentences, a constant the shape of the graph alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from edge_bert.compress.train.qat.integers.integer_graph import GraphOperator

LEAST_SQUARE = 1e-24
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "ADD": ops.add,
    "SUB": ops.subtract,
    "MUL": ops.multiply,
    "DIV": ops.divide,
    "MINIMUM": ops.minimum,
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "RELU": ops.relu,
    "TANH": ops.tanh,
    "LOGISTIC": ops.sigmoid,
    "SOFTMAX": lambda value: ops.softmax(value, axis=-1),
    "RSQRT": lambda value: ops.rsqrt(ops.maximum(value, LEAST_SQUARE)),
}
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "SUM": ops.sum,
    "MEAN": ops.mean,
    "REDUCE_MAX": ops.max,
}


@dataclass(frozen=True)
class Operand:
    """An input of an operator; a constant has no axis of sentences."""

    value: Any
    constant: bool = False


def run_operator(node: GraphOperator, inputs: Sequence[Operand]) -> Any:
    """The output of an operator, in real numbers and not rounded.

    Raises ValueError for an operator that the integer graph does not have.
    """
    first, rest = inputs[0].value, [operand.value for operand in inputs[1:]]
    if node.operator in BINARY:
        return BINARY[node.operator](*_align(inputs[0], inputs[1]))
    if node.operator in UNARY:
        return UNARY[node.operator](first)
    if node.operator in REDUCTIONS:
        keep = node.options.get("keep_dims", True)
        axes = tuple(int(axis) + 1 for axis in rest[0])
        return REDUCTIONS[node.operator](first, axis=axes, keepdims=keep)
    match node.operator:
        case "FULLY_CONNECTED":
            return ops.matmul(first, ops.transpose(rest[0])) + rest[1]
        case "BATCH_MATMUL":
            right = ops.swapaxes(rest[0], -1, -2) if node.options["adj_y"] else rest[0]
            return ops.matmul(first, right)
        case "GELU":
            return ops.gelu(first, approximate=node.options["approximate"])
        case "L2_NORMALIZATION":
            squared = ops.sum(ops.square(first), axis=-1, keepdims=True)
            return first * ops.rsqrt(ops.maximum(squared, LEAST_SQUARE))
    return _move_values(node, inputs)


def _move_values(node: GraphOperator, inputs: Sequence[Operand]) -> Any:
    """Operators that only move values, or change how they are stored."""
    first, rest = inputs[0].value, [operand.value for operand in inputs[1:]]
    match node.operator:
        case "GATHER":
            return ops.take(first, rest[0], axis=0) if inputs[0].constant else _pick(first, rest[0])
        case "QUANTIZE" | "DEQUANTIZE":
            return first
        case "RESHAPE":
            return ops.reshape(first, (first.shape[0], *map(int, rest[0])))
        case "TRANSPOSE":
            return ops.transpose(first, (0, *(int(axis) + 1 for axis in rest[0])))
        case "PAD":
            return ops.pad(first, ((0, 0), *(tuple(map(int, pair)) for pair in rest[0])))
        case "SLICE":
            ends = [(int(b), int(b) + int(s)) for b, s in zip(rest[0], rest[1], strict=True)]
            return first[(slice(None), *(slice(begin, end) for begin, end in ends))]
    raise ValueError(f"no form of {node.operator} in keras.ops")


def _align(left: Operand, right: Operand) -> tuple[Any, Any]:
    """Both values with axes that broadcast: those of one sentence from the right."""
    if left.constant or right.constant:
        return left.value, right.value
    ranks = [len(operand.value.shape) for operand in (left, right)]
    values = [
        ops.reshape(
            operand.value,
            (operand.value.shape[0], *[1] * (max(ranks) - rank), *operand.value.shape[1:]),
        )
        if rank < max(ranks)
        else operand.value
        for operand, rank in zip((left, right), ranks, strict=True)
    ]
    return values[0], values[1]


def _pick(rows: Any, places: Any) -> Any:
    """Of each sentence's rows [batch, n, channels] those at its `places` [batch, ...]."""
    batch, channels = rows.shape[0], rows.shape[-1]
    flat = ops.reshape(places, (batch, -1, 1))
    picked = ops.take_along_axis(rows, ops.repeat(flat, channels, axis=-1), axis=1)
    return ops.reshape(picked, (*places.shape, channels))
