"""Parts that layers and heads of a graph share: activation functions and masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.graph_scope import GraphScope

PROBABILITY = (0.0, 255 / 256)  # the range that the int8 kernels of SOFTMAX and LOGISTIC ask for
LIMITS = {"tanh": (-1.0, 127 / 128), "sigmoid": PROBABILITY}
OPERATORS = {
    "gelu": "GELU",
    "gelu_tanh": "GELU",
    "relu": "RELU",
    "tanh": "TANH",
    "sigmoid": "LOGISTIC",
}


def append_activation(
    scope: GraphScope, name: str, rows: str, activation: str, role: TensorRole, **range_rules: Any
) -> str:
    """Rows after an activation function; `linear` appends nothing."""
    if activation == "linear":
        return rows
    options = {"approximate": activation == "gelu_tanh"} if "gelu" in activation else {}
    operator, shape = OPERATORS[activation], scope.shape(rows)
    limits = LIMITS.get(activation)
    return scope.apply(operator, [rows], name, shape, role, options, limits=limits, **range_rules)


def append_mask(
    scope: GraphScope, name: str, depth: float, role: TensorRole, source: str = "attention_mask"
) -> str:
    """A row [1, length] that is 0 where the input `source` is 1, and -depth where it is 0."""
    limits, values = (-depth, 0.0), np.array([-depth, 0.0], np.float32)
    table_name = scope.full_name(f"{name}.table")
    table = scope.graph.constant(table_name, values, limits=limits, role=role)
    shape = (1, scope.graph.length)
    return scope.apply("GATHER", [table, source], name, shape, role, limits=limits)
