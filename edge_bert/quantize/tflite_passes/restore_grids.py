"""Pass: matrices that lie on a grid before TensorFlow's converter folds a LayerNorm into them.

The converter multiplies gamma into the matrices behind a LayerNorm, and beta into their biases; the
rows after both are computed all the same, for the residual. So the matrices read those rows.

Requires: constant float32 matrices. Ensures: the same float result from the same operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.recover_grid import recover_grid
from edge_bert.quantize.tflite_passes.matrix_roles import find_matrices
from edge_bert.quantize.tflite_passes.pack_constants import Values


@dataclass(frozen=True)
class _FoldedNorm:
    """A LayerNorm before a matrix: what is folded into it, and the tensor after gamma and beta."""

    gamma: Values
    beta: Values
    output: int


def restore_grids(model: Any) -> None:
    """Take gamma and beta out of every matrix that lies on a grid without them, in place.

    A constant that several subgraphs share is changed once.
    """
    restored: dict[tuple[int, int], tuple[int, int] | None] = {}  # new buffers, by old ones
    for graph in model.subgraphs:
        for matrix in find_matrices(model, graph):
            operator = matrix.operator
            norm = _find_folded_norm(model, graph, operator)
            if norm is None or len(operator.inputs) < 3 or operator.inputs[2] < 0:
                continue
            constants = (int(operator.inputs[1]), int(operator.inputs[2]))
            old = (graph.tensors[constants[0]].buffer, graph.tensors[constants[1]].buffer)
            if old not in restored:
                bias = flatbuffer.float_constant(model, graph.tensors[constants[1]])
                restored[old] = _restore(model, matrix.value, bias, norm)
            buffers = restored[old]
            if buffers is not None:
                _read_output(graph, operator, norm, buffers)


def _find_folded_norm(model: Any, graph: Any, reader: Any) -> _FoldedNorm | None:
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
    return _FoldedNorm(gamma=scaled[1], beta=shifted[1], output=shifted[0])


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


def _restore(
    model: Any, matrix: Values, bias: Values | None, norm: _FoldedNorm
) -> tuple[int, int] | None:
    """Buffers of the matrix and its bias as they were; None where the matrix is on no grid."""
    if bias is None:
        return None
    plain = matrix.astype(np.float64) / norm.gamma
    if recover_grid(plain.astype(np.float32)) is None:
        return None
    shifted = bias - plain @ norm.beta.astype(np.float64)
    add = flatbuffer.add_constant
    return add(model, plain.astype(np.float32)), add(model, shifted.astype(np.float32))


def _read_output(graph: Any, operator: Any, norm: _FoldedNorm, buffers: tuple[int, int]) -> None:
    """Let a matrix with new constants read the rows after gamma and beta."""
    operator.inputs[0] = norm.output
    for position, buffer in zip((1, 2), buffers, strict=True):
        old = graph.tensors[operator.inputs[position]]
        name, shape = old.name.decode(errors="replace"), flatbuffer.shape_of(old)
        operator.inputs[position] = flatbuffer.add_tensor(
            graph, f"{name}/trained", shape, old.type, buffer=buffer
        )
