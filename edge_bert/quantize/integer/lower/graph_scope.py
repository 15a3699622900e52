"""Where tensors are added to a graph: operators with names, layer and constants filled in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.weights import DenseWeights
from edge_bert.quantize.integer.ir.graph import (
    GraphTensor,
    OperatorGraph,
    TensorKind,
    matrix_operand,
)
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class GraphScope:
    """A section of a graph under construction: the prefix of its names, and its layer."""

    graph: OperatorGraph
    prefix: str = ""
    layer: int | None = None

    def nested(self, name: str) -> GraphScope:
        """The scope whose names begin with `name` inside this one."""
        return dataclasses.replace(self, prefix=self.full_name(name))

    def full_name(self, name: str) -> str:
        """`name` behind the prefix."""
        return f"{self.prefix}.{name}" if self.prefix else name

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor by its full name."""
        return self.graph.shape(name)

    def apply(
        self,
        operator: str,
        inputs: Sequence[str],
        name: str,
        shape: tuple[int, ...],
        role: TensorRole,
        options: Mapping[str, Any] | None = None,
        **range_rules: Any,
    ) -> str:
        """Append an operator; gives the full name of its output.

        `range_rules` are fields of GraphTensor that say how the range of the output is chosen.
        """
        output = GraphTensor(
            self.full_name(name), shape, role=role, layer=self.layer, **range_rules
        )
        return self.graph.apply(operator, inputs, output, **(options or {}))

    def dense(
        self, name: str, rows: str, dense: DenseWeights, role: TensorRole, **range_rules: Any
    ) -> str:
        """A FULLY_CONNECTED with its matrix and bias."""
        weights = self.nested(name)
        kernel = weights.matrix("kernel", dense.kernel)
        bias = weights.bias("bias", dense.bias)
        shape = (self.shape(rows)[0], dense.kernel.shape[1])
        return self.apply("FULLY_CONNECTED", [rows, kernel, bias], name, shape, role, **range_rules)

    def matrix(self, name: str, kernel: FloatArray) -> str:
        """A kernel [in, out] as a constant."""
        return self.graph.constant(self.full_name(name), matrix_operand(kernel), TensorKind.MATRIX)

    def bias(self, name: str, bias: FloatArray) -> str:
        """A bias [out] as a constant."""
        return self.graph.constant(self.full_name(name), bias, TensorKind.BIAS)

    def multiply(
        self, name: str, rows: str, vector: FloatArray, role: TensorRole, **range_rules: Any
    ) -> str:
        """Rows times a constant per channel."""
        factor = self.graph.constant(self.full_name(f"{name}.factor"), vector[None, :])
        return self.apply("MUL", [rows, factor], name, self.shape(rows), role, **range_rules)

    def add(self, name: str, left: str, right: str, role: TensorRole) -> str:
        """A sum in the shape of `left`."""
        return self.apply("ADD", [left, right], name, self.shape(left), role)

    def reshape(self, name: str, rows: str, shape: tuple[int, ...]) -> str:
        """The same values in another shape; they keep their role."""
        target = self.graph.constant("shape", np.array(shape, np.int32), TensorKind.INDEX)
        return self.apply("RESHAPE", [rows, target], name, shape, self.graph.tensors[rows].role)

    def transpose(self, name: str, rows: str, order: tuple[int, ...]) -> str:
        """The same values with their axes in `order`; they keep their role."""
        target = self.graph.constant("order", np.array(order, np.int32), TensorKind.INDEX)
        shape = tuple(self.shape(rows)[axis] for axis in order)
        return self.apply("TRANSPOSE", [rows, target], name, shape, self.graph.tensors[rows].role)
