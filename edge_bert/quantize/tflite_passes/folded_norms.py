"""LayerNorms whose gamma and beta TensorFlow's converter has folded into the matrices behind them.

The converter multiplies gamma into such a matrix and adds beta to its bias, so that the matrix
reads LayerNorm's rows before both. The rows after both are computed all the same, for the residual,
and a matrix that both are taken off again can read those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.matrix_roles import EncoderMatrix
from edge_bert.quantize.tflite_passes.pack_constants import Values


@dataclass(frozen=True)
class FoldedNorm:
    """A LayerNorm before a matrix: what is folded into it, and the tensor after gamma and beta."""

    gamma: Values
    beta: Values
    output: int


@dataclass(frozen=True)
class PlainMatrix:
    """A matrix [outputs, inputs] and its bias, without gamma and beta."""

    matrix: Values
    bias: Values


def find_folded_norm(model: Any, graph: Any, reader: Any) -> FoldedNorm | None:
    """The LayerNorm whose rows before gamma and beta the operator `reader` reads.

    None where it reads anything else, or rows after both that are not computed before it, and
    where a gamma is 0, which cannot be taken out.
    """
    ready = graph.operators[: graph.operators.index(reader)]
    scaled = _find_constant_step(model, graph, ready, int(reader.inputs[0]), "MUL")
    if scaled is None or not scaled[1].all():
        return None
    shifted = _find_constant_step(model, graph, ready, scaled[0], "ADD")
    if shifted is None:
        return None
    return FoldedNorm(gamma=scaled[1], beta=shifted[1], output=shifted[0])


def _find_constant_step(
    model: Any, graph: Any, operators: Sequence[Any], tensor: int, name: str
) -> tuple[int, Values] | None:
    """The output and the constant [channels] of the operator `name` that reads `tensor`."""
    builtin = getattr(flatbuffer.load_schema().BuiltinOperator, name)
    for operator in operators:
        if flatbuffer.builtin_of(model, operator) == builtin and operator.inputs[0] == tensor:
            value = flatbuffer.float_constant(model, graph.tensors[operator.inputs[1]])
            if value is not None and value.ndim == 1:
                return int(operator.outputs[0]), value
    return None


def unfold_matrix(
    model: Any, graph: Any, matrix: EncoderMatrix, norm: FoldedNorm
) -> PlainMatrix | None:
    """A matrix without gamma, its bias without beta; None where it has no constant bias."""
    operator = matrix.operator
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return None
    bias = flatbuffer.float_constant(model, graph.tensors[operator.inputs[2]])
    if bias is None:
        return None
    plain = matrix.value.astype(np.float64) / norm.gamma
    shifted = bias - plain @ norm.beta.astype(np.float64)
    return PlainMatrix(plain.astype(np.float32), shifted.astype(np.float32))


def store_plain(model: Any, plain: PlainMatrix) -> tuple[int, int]:
    """New buffers with a matrix and its bias."""
    return flatbuffer.add_constant(model, plain.matrix), flatbuffer.add_constant(model, plain.bias)


def read_norm_output(graph: Any, reader: Any, norm: FoldedNorm, buffers: tuple[int, int]) -> None:
    """Let the operator `reader`, with the constants in `buffers`, read the rows after both."""
    reader.inputs[0] = norm.output
    for position, buffer in zip((1, 2), buffers, strict=True):
        old = graph.tensors[reader.inputs[position]]
        name, shape = old.name.decode(errors="replace"), flatbuffer.shape_of(old)
        reader.inputs[position] = flatbuffer.add_tensor(
            graph, f"{name}/plain", shape, old.type, buffer=buffer
        )
