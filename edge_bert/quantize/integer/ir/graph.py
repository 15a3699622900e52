"""A small graph of TFLite operators, before it is float or integer.

Names are the same in the graph of every length, so that ranges found in one hold in all and
constants are stored once.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class TensorKind(enum.Enum):
    """What a tensor is; it decides how it is quantized."""

    IDS = "ids"  # int32 in every recipe
    ACTIVATION = "activation"
    MATRIX = "matrix"  # constant [out, in] of a FULLY_CONNECTED: a scale per output channel
    BIAS = "bias"  # int32 at the scale of input times matrix
    VECTOR = "vector"  # any other constant: one scale
    INDEX = "index"  # a shape, a permutation


@dataclass(frozen=True)
class GraphTensor:
    """A tensor of the graph.

    `limits` is its range where that is known beforehand; `clip` is what an observed range is cut
    to, because nothing beyond it matters. `symmetric` asks for a zero point of 0.
    `whole` asks for all that was seen, whatever the observer would cut.
    `rounds_down_for` names the sum that this tensor enters, which must never be rounded up.
    `bits` are 8 or 16 for integers, 32 for float32.
    """

    name: str
    shape: tuple[int, ...]
    kind: TensorKind
    value: Array | None = None
    limits: tuple[float, float] | None = None
    clip: tuple[float, float] | None = None
    symmetric: bool = False
    whole: bool = False
    rounds_down_for: str | None = None
    bits: int = 8


@dataclass(frozen=True)
class OperatorNode:
    """One operator by its TFLite name, with the names of its inputs and of its output."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class OperatorGraph:
    """Tensors by name and operators in the order of execution."""

    length: int
    tensors: dict[str, GraphTensor] = field(default_factory=dict)
    nodes: list[OperatorNode] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    output: str = ""

    def input(self, name: str) -> str:
        """An int32 input [1, length]."""
        self.inputs.append(name)
        return self._add(GraphTensor(name, (1, self.length), TensorKind.IDS))

    def constant(
        self,
        name: str,
        value: Array,
        kind: TensorKind = TensorKind.VECTOR,
        limits: tuple[float, float] | None = None,
    ) -> str:
        """A constant; the same name must always mean the same values."""
        if kind is TensorKind.INDEX:
            name = f"{name}/{'x'.join(map(str, value.tolist()))}"
        known = self.tensors.get(name)
        if known is not None:
            return name
        return self._add(GraphTensor(name, value.shape, kind, value, limits=limits))

    def apply(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        shape: tuple[int, ...],
        *,
        limits: tuple[float, float] | None = None,
        clip: tuple[float, float] | None = None,
        symmetric: bool = False,
        whole: bool = False,
        rounds_down_for: str | None = None,
        **options: Any,
    ) -> str:
        """Append an operator; gives the name of its output."""
        tensor = GraphTensor(
            output,
            shape,
            TensorKind.ACTIVATION,
            limits=limits,
            clip=clip,
            symmetric=symmetric,
            whole=whole,
            rounds_down_for=rounds_down_for,
        )
        self._add(tensor)
        self.nodes.append(OperatorNode(operator, tuple(inputs), output, options))
        return output

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
