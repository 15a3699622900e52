"""Single operators with inputs, and what they should give, for `test_oldest_runtime.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.runtimes.op_models import Tensor, options_of, single_op

LIMITS = {"int4": 7, "int8": 127, "int16": 32767}
RANDOM = np.random.default_rng(7)


@dataclass(frozen=True)
class Operand:
    """An operand in real numbers and how the model holds it."""

    real: Any
    dtype: str
    constant: bool = False
    per_row: bool = False  # one scale per row of a matrix, else one for the tensor

    def scale(self) -> Any:
        """The scale or scales; () for float32 and int32."""
        if self.dtype not in LIMITS:
            return ()
        if self.per_row:
            return tuple(float(peak) / LIMITS[self.dtype] for peak in np.abs(self.real).max(1))
        return float(np.abs(self.real).max()) / LIMITS[self.dtype]

    def raw(self) -> Any:
        """The numbers as the model stores or takes them."""
        if self.dtype not in LIMITS:
            return np.asarray(self.real, self.dtype)
        scale = np.array(self.scale())
        steps = np.round(self.real / (scale[:, None] if self.per_row else scale))
        return steps.astype("int16" if self.dtype == "int16" else "int8")

    def stored(self) -> Any:
        """The real numbers that the stored ones stand for."""
        if self.dtype not in LIMITS:
            return self.real
        scale = np.array(self.scale(), np.float32)
        return self.raw() * (scale[:, None] if self.per_row else scale)

    def tensor(self) -> Tensor:
        """The operand as a tensor of the model."""
        data = self.raw() if self.constant else None
        return Tensor(np.shape(self.real), self.dtype, self.scale(), data=data)


@dataclass(frozen=True)
class Case:
    """One operator on one choice of dtypes; `newest` is the newest version that 2.14.0 takes."""

    label: str
    operator: str
    newest: int
    function: Callable[..., Any]
    operands: tuple[Operand, ...]
    out: str
    options: Any = None
    out_tensor: Tensor | None = None

    def expected(self) -> Any:
        """What the operator gives in real numbers, from the operands as they are stored."""
        given = [operand.stored() for operand in self.operands]
        return np.asarray(self.function(*given), np.float32)

    def model(self, version: int) -> bytes:
        """The `.tflite` bytes with the operator at `version`."""
        real = self.expected()
        output = self.out_tensor or Operand(real, self.out).tensor()
        tensors = [operand.tensor() for operand in self.operands]
        return single_op(self.operator, version, tensors, output, self.options)

    def feeds(self) -> dict[str, Any]:
        """The inputs by name, one row."""
        free = [(i, operand) for i, operand in enumerate(self.operands) if not operand.constant]
        return {f"x{i}": operand.raw() for i, operand in free}


def _normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


X, Y = _normal(1, 8, 32), _normal(1, 8, 32)
POSITIVE = np.abs(X) + 0.3
WEIGHTS = _normal(16, 32) * np.exp(_normal(16, 1))  # rows of very different size
HEADS, KEYS = _normal(1, 4, 8, 16), _normal(1, 4, 16, 8)
TABLE = _normal(50, 32) * np.exp(_normal(50, 1))
AXIS = Operand(np.array([2]), "int32", constant=True)
ORDER = Operand(np.array([0, 2, 1, 3]), "int32", constant=True)


def _dense(x: Any, weights: Any) -> Any:
    return x @ weights.T


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _softmax(x: Any) -> Any:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _rows(table: Any, ids: Any) -> Any:
    return table[ids]


def _lookup(ids: Any, table: Any) -> Any:
    return table[ids]


def fully_connected(label: str, x: str, weights: str, *, per_row: bool = False) -> Case:
    """FULLY_CONNECTED; the output has the dtype of the input `x`."""
    operands = (Operand(X, x), Operand(WEIGHTS, weights, constant=True, per_row=per_row))
    options = options_of("FullyConnectedOptions", keepNumDims=True)
    return Case(f"FULLY_CONNECTED {label}", "FULLY_CONNECTED", 10, _dense, operands, x, options)


def unary(
    operator: str, newest: int, dtype: str, function: Callable[..., Any], **rest: Any
) -> Case:
    """An operator of one input, all of one dtype."""
    real = POSITIVE if operator == "RSQRT" else X
    return Case(
        f"{operator} {dtype}", operator, newest, function, (Operand(real, dtype),), dtype, **rest
    )


def binary(operator: str, newest: int, dtype: str, function: Callable[..., Any], name: str) -> Case:
    """An operator of two inputs, all of one dtype; `name` is its options record."""
    operands = (Operand(X, dtype), Operand(POSITIVE if operator == "DIV" else Y, dtype))
    return Case(
        f"{operator} {dtype}", operator, newest, function, operands, dtype, options_of(name)
    )


def reduce(operator: str, newest: int, dtype: str, function: Callable[..., Any]) -> Case:
    """A reduction over the last axis, which it keeps."""
    options = options_of("ReducerOptions", keepDims=True)
    return Case(
        f"{operator} {dtype}",
        operator,
        newest,
        lambda x, axis: function(x, axis=int(axis[0]), keepdims=True),
        (Operand(X, dtype), AXIS),
        dtype,
        options,
    )


def quantize(newest: int, source: str, out: str) -> Case:
    """QUANTIZE from one dtype to another."""
    options = options_of("QuantizeOptions")
    label = f"QUANTIZE {source} to {out}"
    return Case(label, "QUANTIZE", newest, lambda x: x, (Operand(X, source),), out, options)


def matmul(dtype: str) -> Case:
    """BATCH_MATMUL of two inputs."""
    operands = (Operand(HEADS, dtype), Operand(KEYS, dtype))
    options = options_of("BatchMatMulOptions")
    return Case(f"BATCH_MATMUL {dtype}", "BATCH_MATMUL", 4, np.matmul, operands, dtype, options)


def softmax(dtype: str) -> Case:
    """SOFTMAX with the output scale that its kernels insist on."""
    fixed = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)}[dtype]
    output = Tensor(HEADS.shape, dtype, *fixed)
    options = options_of("SoftmaxOptions", beta=1.0)
    operands = (Operand(HEADS, dtype),)
    return Case(f"SOFTMAX {dtype}", "SOFTMAX", 3, _softmax, operands, dtype, options, output)


def gather(dtype: str) -> Case:
    """GATHER of rows from a constant table."""
    ids = Operand(np.array([[3, 1, 49, 0]], np.int32), "int32")
    operands = (Operand(TABLE, dtype, constant=True), ids)
    scale = operands[0].scale()
    output = Tensor((1, 4, 32), dtype, scale)
    options = options_of("GatherOptions")
    return Case(f"GATHER {dtype}", "GATHER", 6, _rows, operands, dtype, options, output)


def lookup(label: str, dtype: str, per_row: bool = False) -> Case:
    """EMBEDDING_LOOKUP with float32 out."""
    ids = Operand(np.array([17], np.int32), "int32")
    operands = (ids, Operand(TABLE, dtype, constant=True, per_row=per_row))
    return Case(f"EMBEDDING_LOOKUP {label}", "EMBEDDING_LOOKUP", 3, _lookup, operands, "float32")


def transpose(dtype: str) -> Case:
    """TRANSPOSE of heads and tokens."""
    operands = (Operand(HEADS, dtype), ORDER)
    options = options_of("TransposeOptions")
    return Case(f"TRANSPOSE {dtype}", "TRANSPOSE", 6, np.transpose, operands, dtype, options)


def gelu(dtype: str) -> Case:
    """GELU in its tanh form."""
    return unary("GELU", 2, dtype, _gelu, options=options_of("GeluOptions", approximate=True))


def rsqrt(dtype: str) -> Case:
    """RSQRT of positive numbers."""
    return unary("RSQRT", 2, dtype, lambda x: 1 / np.sqrt(x))
