"""Rewrites: embedding tables stored in int8 or float16, of which only the rows asked for unpack.

Requires: GATHER along axis 0 of a constant float32 matrix.
Ensures: the same rows to within the precision of the stored form.

A DEQUANTIZE of the whole table would be simpler, and unpack 47 MB in the subgraph of every length:
all-MiniLM-L6-v2 with four lengths then takes 382 MB on ai-edge-litert 2.3.0 instead of 181.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.pack_constants import Values
from edge_bert.quantize.uniform import quantize_int8

# The reading of one GATHER: model, subgraph, the GATHER, what was stored of its table.
Stored = tuple[int, ...]
Reading = Callable[[Any, Any, Any, Stored], list[Any]]


def quantize_embedding_tables(model: Any) -> None:
    """GATHER of int8 rows, DEQUANTIZE, MUL by a scale per column.

    Columns differ more than rows: with only the tables of all-MiniLM-L6-v2 in int8, the cosine to
    float32 is 0.99998 per column, 0.99983 per row and 0.99955 with one scale. DEQUANTIZE could
    carry the scales itself, but its kernel with several takes 143 us for 128 rows, MUL 8 in all.
    """
    _rewrite(model, _store_int8, _read_int8)


def float16_tables(model: Any) -> None:
    """GATHER of float16 rows, DEQUANTIZE. A table that float16 cannot hold stays float32."""
    _rewrite(model, _store_float16, _read_float16)


def float16_tables_as_int16(model: Any) -> None:
    """GATHER of int16 rows, BITCAST to float16, DEQUANTIZE: for runtimes whose GATHER has no
    float16."""
    _rewrite(model, _store_float16, _read_float16_as_int16)


def _rewrite(model: Any, store: Callable[[Any, Values], Stored | None], read: Reading) -> None:
    gather = flatbuffer.load_schema().BuiltinOperator.GATHER
    found: dict[int, Stored | None] = {}
    for graph in model.subgraphs:
        operators: list[Any] = []
        for operator in graph.operators:
            stored = None
            if flatbuffer.builtin_of(model, operator) == gather:
                table = graph.tensors[operator.inputs[0]]
                if table.buffer not in found:
                    found[table.buffer] = _stored(model, table, store)
                stored = found[table.buffer]
            operators.extend([operator] if stored is None else read(model, graph, operator, stored))
        graph.operators = operators


def _stored(model: Any, table: Any, store: Callable[[Any, Values], Stored | None]) -> Stored | None:
    """What was stored of `table`; None where it is no constant float32 matrix or has no form."""
    value = flatbuffer.float_constant(model, table)
    return None if value is None or value.ndim != 2 else store(model, value)


def _store_int8(model: Any, table: Values) -> Stored:
    values, scales = quantize_int8(table, axis=1)
    return flatbuffer.add_constant(model, values), flatbuffer.add_constant(model, scales)


def fits_float16(value: Values) -> bool:
    """Whether no value is too large for float16."""
    return bool(np.abs(value).max() <= np.finfo(np.float16).max)


def _store_float16(model: Any, table: Values) -> Stored | None:
    if not fits_float16(table):
        return None
    return (flatbuffer.add_constant(model, table.astype(np.float16)),)


def _read_int8(model: Any, graph: Any, gather: Any, stored: Stored) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result = int(gather.outputs[0])
    first, rows = _gathered(model, graph, gather, types.INT8, stored[0], version=2)
    for index in (first.inputs[0], rows):
        flatbuffer.set_scales(graph.tensors[index], 1.0)
    steps = _like(graph, result, types.FLOAT32, "steps")
    columns = flatbuffer.shape_of(graph.tensors[result])[-1:]
    name = _name(graph, result, "scales")
    scales = flatbuffer.add_tensor(graph, name, columns, types.FLOAT32, buffer=stored[1])
    return [
        first,
        flatbuffer.add_operator(model, "DEQUANTIZE", [rows], [steps], version=2),
        flatbuffer.add_operator(model, "MUL", [steps, scales], [result]),
    ]


def _read_float16(model: Any, graph: Any, gather: Any, stored: Stored) -> list[Any]:
    result = int(gather.outputs[0])
    half = flatbuffer.load_schema().TensorType.FLOAT16
    first, rows = _gathered(model, graph, gather, half, stored[0], version=1)
    return [first, flatbuffer.add_operator(model, "DEQUANTIZE", [rows], [result], version=3)]


def _read_float16_as_int16(model: Any, graph: Any, gather: Any, stored: Stored) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result = int(gather.outputs[0])
    first, rows = _gathered(model, graph, gather, types.INT16, stored[0], version=4)
    halves = _like(graph, result, types.FLOAT16, "float16")
    return [
        first,
        flatbuffer.add_operator(model, "BITCAST", [rows], [halves]),
        flatbuffer.add_operator(model, "DEQUANTIZE", [halves], [result], version=3),
    ]


def _gathered(
    model: Any, graph: Any, gather: Any, dtype: int, buffer: int, version: int
) -> tuple[Any, int]:
    """The GATHER on a table of `dtype`, and its result's index.

    The result has the shape of the old one; the table is a tensor of its own, because another
    operator may read the old one.
    """
    shape = flatbuffer.shape_of(graph.tensors[gather.inputs[0]])
    result = int(gather.outputs[0])
    name = _name(graph, int(gather.inputs[0]), "stored")
    table = flatbuffer.add_tensor(graph, name, shape, dtype, buffer=buffer)
    rows = _like(graph, result, dtype, "rows")
    made = flatbuffer.add_operator(model, "GATHER", [table, gather.inputs[1]], [rows], version)
    made.builtinOptions = gather.builtinOptions or made.builtinOptions
    return made, rows


def _like(graph: Any, tensor: int, dtype: int, suffix: str) -> int:
    shape = flatbuffer.shape_of(graph.tensors[tensor])
    return flatbuffer.add_tensor(graph, _name(graph, tensor, suffix), shape, dtype)


def _name(graph: Any, tensor: int, suffix: str) -> str:
    return f"{graph.tensors[tensor].name.decode(errors='replace')}/{suffix}"
