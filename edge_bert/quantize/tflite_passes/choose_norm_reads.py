"""Pass: matrices that read a LayerNorm's rows after gamma and beta where that rounds them less.

TensorFlow's converter lets matrices read LayerNorm's rows before both (folded_norms.py). A row is
rounded to 8 bits when the file runs: which of the two forms loses less depends on the model and on
the LayerNorm. In all-MiniLM-L6-v2 queries, keys and values have 0.3 to 0.7 of the error after gamma
and beta, and feed-forward matrices a third of it before.

Requires: constant float32 matrices; rows of calibration (norm_rows.py).
Ensures: the same float result from the same operators; matrices that read one LayerNorm read it in
one form, and a constant that several subgraphs share is changed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edge_bert.encoder.config import MatrixRole
from edge_bert.quantize.norm_rows import LayerNormRows, NormRows, RowMoments
from edge_bert.quantize.tflite_passes.folded_norms import (
    FoldedNorm,
    find_folded_norm,
    read_norm_output,
    store_plain,
    unfold_matrix,
)
from edge_bert.quantize.tflite_passes.matrix_roles import EncoderMatrix, find_matrices
from edge_bert.quantize.tflite_passes.pack_constants import Values
from edge_bert.records.weight_bits import STEPS, WeightBits

ATTENTION = (MatrixRole.QUERY, MatrixRole.KEY, MatrixRole.VALUE)
NOISE = 1 / 12  # of a step squared: the mean squared error of rounding to the nearest


def choose_norm_reads(model: Any, bits: WeightBits, layers: Sequence[LayerNormRows]) -> None:
    """Let matrices read what is rounded with the smaller error, in place.

    The first subgraph that reads a constant decides for all.
    """
    restored: dict[int, tuple[int, int] | None] = {}  # by buffer: the new matrix and bias
    for graph in model.subgraphs:
        for readers in _readers(model, graph):
            norm = find_folded_norm(model, graph, readers[0].operator)
            rows = _rows_of(readers[0], layers)
            if norm is None or rows is None:
                continue
            if _buffer(graph, readers[0]) not in restored:
                restored |= _decide(model, graph, readers, norm, bits, rows)
            for matrix in readers:
                buffers = restored[_buffer(graph, matrix)]
                if buffers is not None:
                    read_norm_output(graph, matrix.operator, norm, buffers)


def _readers(model: Any, graph: Any) -> Iterator[list[EncoderMatrix]]:
    """The matrices of layers that read a LayerNorm, those that read one tensor together."""
    readers: dict[int, list[EncoderMatrix]] = {}
    for matrix in find_matrices(model, graph):
        if matrix.layer is not None and matrix.role in (*ATTENTION, MatrixRole.FFN_IN):
            readers.setdefault(int(matrix.operator.inputs[0]), []).append(matrix)
    yield from readers.values()


def _rows_of(matrix: EncoderMatrix, layers: Sequence[LayerNormRows]) -> NormRows | None:
    if matrix.layer is None:
        return None
    rows = layers[matrix.layer]
    return rows.attention if matrix.role in ATTENTION else rows.ffn


def _decide(
    model: Any,
    graph: Any,
    readers: Sequence[EncoderMatrix],
    norm: FoldedNorm,
    bits: WeightBits,
    rows: NormRows,
) -> dict[int, tuple[int, int] | None]:
    """The buffers of the restored matrices, by those of the folded; None where folded is better."""
    buffers = [_buffer(graph, matrix) for matrix in readers]
    plain = [x for x in (unfold_matrix(model, graph, matrix, norm) for matrix in readers) if x]
    if len(plain) < len(readers):
        return dict.fromkeys(buffers)
    before = sum(_expected_error(x, x.value, rows.unit, bits) for x in readers)
    pairs = zip(readers, plain, strict=True)
    if before <= sum(_expected_error(x, form.matrix, rows.output, bits) for x, form in pairs):
        return dict.fromkeys(buffers)
    return dict(zip(buffers, (store_plain(model, form) for form in plain), strict=True))


def _buffer(graph: Any, matrix: EncoderMatrix) -> int:
    return int(graph.tensors[matrix.operator.inputs[1]].buffer)


def _expected_error(
    matrix: EncoderMatrix, value: Values, rows: RowMoments, bits: WeightBits
) -> float:
    """The squared error of a product, summed over rows and outputs: of the rows and the weights.

    Every rounding counts as noise of its own, uniform within a step.
    """
    of_rows = rows.steps * float(np.square(value, dtype=np.float64).sum())
    of_weights = float((_squared_steps(matrix, value, bits) @ rows.power).sum())
    return NOISE * (of_rows + of_weights)


def _squared_steps(matrix: EncoderMatrix, value: Values, bits: WeightBits) -> Values:
    """The squared step of each weight [outputs, inputs], from the peak of its channel or block."""
    outputs, inputs = value.shape
    role = matrix.role and matrix.role.value
    width = 8 if matrix.layer is None else bits.width_of(matrix.layer, role, inputs)
    block = (bits.block_for(inputs) if width == 4 else None) or inputs
    peaks = np.abs(value.astype(np.float64)).reshape(outputs, -1, block).max(axis=2)
    return np.asarray(np.repeat(np.square(peaks / STEPS[width][1]), block, axis=1))
