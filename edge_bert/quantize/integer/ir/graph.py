"""A small graph of TFLite operators, before it is float or integer.

Names are the same in the graph of every length, so that ranges collected in one hold in all and
constants are stored once.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.ir.tensor_role import TensorRole

Array = npt.NDArray[Any]


class TensorKind(enum.Enum):
    """How a tensor is used; it decides how it is quantized."""

    IDS = "ids"  # ids, and numbers of tokens: int32 in every recipe
    ACTIVATION = "activation"
    MATRIX = "matrix"  # constant [out, in] of a FULLY_CONNECTED: a scale per output channel
    BIAS = "bias"  # int32 at the scale of input times matrix
    VECTOR = "vector"  # any other constant: one scale
    INDEX = "index"  # a shape, a permutation


@dataclass(frozen=True)
class GraphTensor:
    """A tensor of the graph: what it is, and how its range is chosen.

    `layer` is None outside the transformer layers. `limits` is a range known beforehand; `clip`
    cuts the observed range, because nothing beyond it matters. `symmetric` asks for a zero point
    of 0, `keep_full_range` for the observed extremes, whatever the estimator would cut.
    `rounds_down_for` names the sum that this tensor enters, which must never be rounded up.
    `bits` are 8 or 16 for integers, 32 for float32 and numbers of tokens; a copy in another width
    has the tensor's role, layer and rules, and the tensor's name in `copy_of`.
    """

    name: str
    shape: tuple[int, ...]
    kind: TensorKind = TensorKind.ACTIVATION
    value: Array | None = None
    role: TensorRole = TensorRole.OTHER
    layer: int | None = None
    limits: tuple[float, float] | None = None
    clip: tuple[float, float] | None = None
    symmetric: bool = False
    keep_full_range: bool = False
    rounds_down_for: str | None = None
    bits: int = 8
    copy_of: str | None = None

    @property
    def range_name(self) -> str:
        """The name under which the range was collected."""
        return self.copy_of or self.name


@dataclass(frozen=True)
class OperatorNode:
    """One operator by its TFLite name, with the names of its inputs and of its output."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphExit:
    """The tensors at an exit after `after` layers: the rows that the next layer reads, [length,
    columns], the exit's output, and the agreement that it predicts, if it does."""

    after: int
    rows: str
    output: str
    agreement: str | None = None


@dataclass
class OperatorGraph:
    """Tensors by name and operators in the order of execution.

    `exits` stand on the way to `output`; a stage has `others` besides it, by their names in its
    signature.
    """

    length: int
    tensors: dict[str, GraphTensor] = field(default_factory=dict)
    nodes: list[OperatorNode] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    output: str = ""
    exits: list[GraphExit] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)

    def input(self, name: str) -> str:
        """Add an int32 input [1, length]."""
        self.inputs.append(name)
        return self._add(GraphTensor(name, (1, self.length), TensorKind.IDS))

    def constant(
        self,
        name: str,
        value: Array,
        kind: TensorKind = TensorKind.VECTOR,
        limits: tuple[float, float] | None = None,
        role: TensorRole = TensorRole.OTHER,
    ) -> str:
        """Add a constant where it is new; the same name must always mean the same values."""
        if kind is TensorKind.INDEX:
            name = f"{name}/{'x'.join(map(str, value.tolist()))}"
        if name in self.tensors:
            return name
        return self._add(GraphTensor(name, value.shape, kind, value, role, limits=limits))

    def apply(
        self, operator: str, inputs: Sequence[str], output: GraphTensor, **options: Any
    ) -> str:
        """Append an operator; gives the name of its output."""
        self._add(output)
        self.nodes.append(OperatorNode(operator, tuple(inputs), output.name, options))
        return output.name

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self.tensors[name].shape

    def _add(self, tensor: GraphTensor) -> str:
        if tensor.name in self.tensors:
            raise ValueError(f"the graph already has a tensor {tensor.name}")
        self.tensors[tensor.name] = tensor
        return tensor.name


def matrix_operand(kernel: Array) -> Array:
    """A kernel [in, out] as FULLY_CONNECTED stores it: [out, in]."""
    return np.ascontiguousarray(kernel.T, dtype=np.float32)
