"""Passes: embedding tables in int8 or float16; only the rows that are looked up are unpacked.

Requires: GATHER along axis 0 of a constant float32 matrix.
Ensures: the same rows to within the precision of the stored form.

A DEQUANTIZE of the complete table would be simpler, but unpack 47 MB in the subgraph of every
length: all-MiniLM-L6-v2 with four lengths then takes 382 MB on ai-edge-litert 2.3.0, not 181.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.recover_grid import Kept, recover_grid
from edge_bert.quantize.tflite_passes.pack_constants import Values
from edge_bert.quantize.uniform import INT8_MAX, quantize_int8

Buffers = tuple[int, ...]  # what is stored of a table
Store = Callable[[Any, Values], Buffers | None]  # of a model and a table
# The operators that replace a GATHER: of model, subgraph, the GATHER, its table's buffers.
Lookup = Callable[[Any, Any, Any, Buffers], list[Any]]


def quantize_embedding_tables(model: Any) -> None:
    """GATHER of int8 rows, DEQUANTIZE, MUL by a scale per column.

    Columns differ more than rows: with only the tables of all-MiniLM-L6-v2 in int8, the cosine to
    float32 is 0.99998 per column, 0.99983 per row and 0.99955 with one scale. DEQUANTIZE could
    carry the scales itself, but its kernel with several takes 143 us for 128 rows, MUL 8 in all.

    A table that training left on a grid with a scale per row keeps its integers: the scales are
    looked up too, 4 bytes a row.
    """
    _replace_gathers(model, _store_int8, _look_up_int8)
    _replace_gathers(model, _store_row_grid, _look_up_row_grid)


def store_tables_float16(model: Any, *, gathers_float16: bool) -> None:
    """GATHER of float16 rows, DEQUANTIZE. A table that float16 cannot hold stays float32.

    Without `gathers_float16`, for runtimes whose GATHER does not take that type: GATHER of int16
    rows, BITCAST to float16, DEQUANTIZE.
    """
    lookup = _look_up_float16 if gathers_float16 else _look_up_float16_as_int16
    _replace_gathers(model, _store_float16, lookup)


def _replace_gathers(model: Any, store: Store, lookup: Lookup) -> None:
    gather = flatbuffer.load_schema().BuiltinOperator.GATHER
    stored: dict[int, Buffers | None] = {}
    for graph in model.subgraphs:
        operators: list[Any] = []
        for operator in graph.operators:
            buffers = None
            if flatbuffer.builtin_of(model, operator) == gather:
                table = graph.tensors[operator.inputs[0]]
                if table.buffer not in stored:
                    stored[table.buffer] = _store_table(model, table, store)
                buffers = stored[table.buffer]
            operators.extend(
                [operator] if buffers is None else lookup(model, graph, operator, buffers)
            )
        graph.operators = operators


def _store_table(model: Any, table: Any, store: Store) -> Buffers | None:
    """The buffers of `table`; None where it is no constant float32 matrix or has no form."""
    value = flatbuffer.float_constant(model, table)
    return None if value is None or value.ndim != 2 else store(model, value)


def _store_int8(model: Any, table: Values) -> Buffers | None:
    if _keep_row_grid(table) is not None:
        return None
    values, scales = quantize_int8(table, axis=1)
    return flatbuffer.add_constant(model, values), flatbuffer.add_constant(model, scales)


def _store_row_grid(model: Any, table: Values) -> Buffers | None:
    kept = _keep_row_grid(table)
    return kept and tuple(flatbuffer.add_constant(model, part) for part in kept)


def _keep_row_grid(table: Values) -> Kept | None:
    """Codes and scales [rows, 1] of a table on a grid per row; None for others, and for a table
    with a single scale, which columns have too."""
    grid = recover_grid(table)
    if grid is None or grid.is_uniform:
        return None
    return grid.regroup(table.shape[1], -INT8_MAX, INT8_MAX)


def fits_float16(value: Values) -> bool:
    """Whether no value is too large for float16."""
    return bool(np.abs(value).max() <= np.finfo(np.float16).max)


def _store_float16(model: Any, table: Values) -> Buffers | None:
    if not fits_float16(table):
        return None
    return (flatbuffer.add_constant(model, table.astype(np.float16)),)


def _look_up_int8(model: Any, graph: Any, gather: Any, buffers: Buffers) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result = int(gather.outputs[0])
    lookup, rows = _retype_gather(model, graph, gather, types.INT8, buffers[0], version=2)
    for index in (lookup.inputs[0], rows):
        flatbuffer.set_scales(graph.tensors[index], 1.0)
    steps = _add_like(graph, result, types.FLOAT32, "steps")
    columns = flatbuffer.shape_of(graph.tensors[result])[-1:]
    name = f"{flatbuffer.name_of(graph, result)}/scales"
    scales = flatbuffer.add_tensor(graph, name, columns, types.FLOAT32, buffer=buffers[1])
    return [
        lookup,
        flatbuffer.add_operator(model, "DEQUANTIZE", [rows], [steps], version=2),
        flatbuffer.add_operator(model, "MUL", [steps, scales], [result]),
    ]


def _look_up_row_grid(model: Any, graph: Any, gather: Any, buffers: Buffers) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result, ids = int(gather.outputs[0]), int(gather.inputs[1])
    count = flatbuffer.shape_of(graph.tensors[gather.inputs[0]])[0]
    lookup, rows = _retype_gather(model, graph, gather, types.INT8, buffers[0], version=2)
    for index in (lookup.inputs[0], rows):
        flatbuffer.set_scales(graph.tensors[index], 1.0)
    steps = _add_like(graph, result, types.FLOAT32, "steps")
    name = f"{flatbuffer.name_of(graph, result)}/scales"
    shape = (*flatbuffer.shape_of(graph.tensors[result])[:-1], 1)
    table = flatbuffer.add_tensor(graph, name, (count, 1), types.FLOAT32, buffer=buffers[1])
    scales = flatbuffer.add_tensor(graph, f"{name}/rows", shape, types.FLOAT32)
    scale_lookup = flatbuffer.add_operator(model, "GATHER", [table, ids], [scales])
    scale_lookup.builtinOptions = gather.builtinOptions or scale_lookup.builtinOptions
    return [
        lookup,
        flatbuffer.add_operator(model, "DEQUANTIZE", [rows], [steps], version=2),
        scale_lookup,
        flatbuffer.add_operator(model, "MUL", [steps, scales], [result]),
    ]


def _look_up_float16(model: Any, graph: Any, gather: Any, buffers: Buffers) -> list[Any]:
    result = int(gather.outputs[0])
    float16 = flatbuffer.load_schema().TensorType.FLOAT16
    lookup, rows = _retype_gather(model, graph, gather, float16, buffers[0], version=1)
    return [lookup, flatbuffer.add_operator(model, "DEQUANTIZE", [rows], [result], version=3)]


def _look_up_float16_as_int16(model: Any, graph: Any, gather: Any, buffers: Buffers) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result = int(gather.outputs[0])
    lookup, rows = _retype_gather(model, graph, gather, types.INT16, buffers[0], version=4)
    halves = _add_like(graph, result, types.FLOAT16, "float16")
    return [
        lookup,
        flatbuffer.add_operator(model, "BITCAST", [rows], [halves]),
        flatbuffer.add_operator(model, "DEQUANTIZE", [halves], [result], version=3),
    ]


def _retype_gather(
    model: Any, graph: Any, gather: Any, dtype: int, buffer: int, version: int
) -> tuple[Any, int]:
    """A GATHER like `gather` on a table of `dtype`, and the index of its output.

    The table is a tensor of its own, because another operator may read the old one.
    """
    shape = flatbuffer.shape_of(graph.tensors[gather.inputs[0]])
    name = f"{flatbuffer.name_of(graph, gather.inputs[0])}/stored"
    table = flatbuffer.add_tensor(graph, name, shape, dtype, buffer=buffer)
    rows = _add_like(graph, int(gather.outputs[0]), dtype, "rows")
    lookup = flatbuffer.add_operator(model, "GATHER", [table, gather.inputs[1]], [rows], version)
    lookup.builtinOptions = gather.builtinOptions or lookup.builtinOptions
    return lookup, rows


def _add_like(graph: Any, tensor: int, dtype: int, suffix: str) -> int:
    """A new tensor of the shape of `tensor` and of `dtype`."""
    shape = flatbuffer.shape_of(graph.tensors[tensor])
    name = f"{flatbuffer.name_of(graph, tensor)}/{suffix}"
    return flatbuffer.add_tensor(graph, name, shape, dtype)
