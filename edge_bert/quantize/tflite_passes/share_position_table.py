"""Pass: one int8 position table for all lengths, which the converter stores once for each.

Requires: every subgraph adds a constant [length, width] to the tokens, rows of one table.
Ensures: the same sums, each row of positions to half its step of int8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.pack_constants import Values
from edge_bert.quantize.tflite_passes.quantize_word_table import make_embedding_lookup
from edge_bert.quantize.uniform import quantize_int8

Operand = tuple[Any, int]  # an ADD and which of its inputs is the constant


def share_position_table(model: Any) -> None:
    """One int8 position table, a scale per row, for all lengths.

    The subgraphs stay as they are where their constants are not the first rows of the longest.
    """
    positions = [
        (graph, *match)
        for graph in model.subgraphs
        if (match := _find_positions(model, graph)) is not None
    ]
    tables = [rows for _, _, rows in positions]
    if not tables:
        return
    longest = max(tables, key=len)
    if any(not np.array_equal(rows, longest[: len(rows)]) for rows in tables):
        return
    values, scales = quantize_int8(longest, axis=0)
    buffer = flatbuffer.add_constant(model, values)
    for graph, operand, rows in positions:
        _look_up_positions(model, graph, operand, len(rows), (values.shape, buffer, scales))


def _find_positions(model: Any, graph: Any) -> tuple[Operand, Values] | None:
    """The first ADD of a constant with one row for each of several tokens, and the constant."""
    add = flatbuffer.load_schema().BuiltinOperator.ADD
    for operator in graph.operators:
        if flatbuffer.builtin_of(model, operator) != add:
            continue
        shape = flatbuffer.shape_of(graph.tensors[operator.outputs[0]])
        for position, index in enumerate(operator.inputs):
            value = flatbuffer.float_constant(model, graph.tensors[index])
            # Four axes are those of a relative position bias, which is added to a mask.
            if value is not None and value.ndim in (2, 3) and value.shape[-2:] == shape[-2:]:
                rows = value.reshape(shape[-2:])
                return ((operator, position), rows) if value.size == rows.size else None
    return None


def _look_up_positions(
    model: Any, graph: Any, operand: Operand, length: int, table_parts: tuple[Any, int, Values]
) -> None:
    """Have an ADD read the first `length` rows of the table with this shape, buffer and scales."""
    types = flatbuffer.load_schema().TensorType
    operator, position = operand
    shape, buffer, scales = table_parts
    name = flatbuffer.name_of(graph, int(operator.inputs[position]))
    table = flatbuffer.add_tensor(graph, f"{name}/int8", shape, types.INT8, buffer=buffer)
    flatbuffer.set_scales(graph.tensors[table], scales)
    row_ids = flatbuffer.add_constant(model, np.arange(length, dtype=np.int32))
    ids = flatbuffer.add_tensor(graph, f"{name}/ids", (length,), types.INT32, buffer=row_ids)
    rows = flatbuffer.add_tensor(graph, f"{name}/rows", (length, shape[1]), types.FLOAT32)
    operator.inputs[position] = rows
    graph.operators = [make_embedding_lookup(model, ids, table, rows), *graph.operators]
