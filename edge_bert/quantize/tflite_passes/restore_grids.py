"""Pass: matrices that lie on a grid before TensorFlow's converter folds a LayerNorm into them.

They read the LayerNorm's rows after gamma and beta instead (folded_norms.py).

Requires: constant float32 matrices. Ensures: the same float result from the same operators.
"""

from __future__ import annotations

from typing import Any

from edge_bert.quantize.recover_grid import recover_grid
from edge_bert.quantize.tflite_passes.folded_norms import (
    find_folded_norm,
    read_norm_output,
    store_plain,
    unfold_matrix,
)
from edge_bert.quantize.tflite_passes.matrix_roles import find_matrices


def restore_grids(model: Any) -> None:
    """Take gamma and beta out of every matrix that lies on a grid without them, in place.

    A constant that several subgraphs share is changed once.
    """
    restored: dict[int, tuple[int, int] | None] = {}  # new buffers, by that of the matrix
    for graph in model.subgraphs:
        for matrix in find_matrices(model, graph):
            norm = find_folded_norm(model, graph, matrix.operator)
            if norm is None:
                continue
            folded = int(graph.tensors[matrix.operator.inputs[1]].buffer)
            if folded not in restored:
                plain = unfold_matrix(model, graph, matrix, norm)
                on_grid = plain is not None and recover_grid(plain.matrix) is not None
                restored[folded] = store_plain(model, plain) if plain and on_grid else None
            buffers = restored[folded]
            if buffers is not None:
                read_norm_output(graph, matrix.operator, norm, buffers)
