"""The graph of an integer file as training runs it: operators, constants, and what is rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.rounded_activation import RoundedActivation

Array = npt.NDArray[Any]


class GraphOperator(Protocol):
    """One operator by its TFLite name, with the names of its inputs and of its output."""

    @property
    def operator(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def output(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class IntegerGraph:
    """The operators of one length, in the order of execution.

    `constants` are real numbers as the file has them, and whole numbers of int32; `rounded` says
    for each output that is rounded how. What is not in it stays as it is.
    """

    length: int
    inputs: tuple[str, ...]
    output: str
    operators: Sequence[GraphOperator]
    constants: Mapping[str, Array]
    rounded: Mapping[str, RoundedActivation]


@dataclass(frozen=True)
class TrainedMatrix:
    """A matrix [in, out] with its scales [out] and its bias [out], as numbers that are trained.

    Its integers go from `least` to `most`.
    """

    kernel: FloatArray
    scales: FloatArray
    bias: FloatArray
    least: int = -127
    most: int = 127
