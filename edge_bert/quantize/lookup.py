"""Rewrites: the two large tables in the fewest bits, read by EMBEDDING_LOOKUP.

GATHER of int4 rows works too, but its result must have one scale for all; EMBEDDING_LOOKUP has one
for every block of a row and gives float32 at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.quantize import blocks, flatbuffer
from edge_bert.quantize.symmetric import symmetric_int8
from edge_bert.quantize.unpacked import Values

VERSION = 4  # of EMBEDDING_LOOKUP, with int4


def int4_word_table(model: Any, block: int) -> None:
    """The GATHER table with the most rows in int4, a float16 scale per `block` values.

    0 is one block for the row. Tables whose width the block does not divide have one for the row.
    """
    word = _largest_table(model)
    if word is None:
        return
    buffer, value = word
    width = value.shape[1]
    size = block if block and width % block == 0 else width
    if size % 2:
        return  # a row must end with a byte
    stored = blocks.store(model, blocks.quantize(value, size))
    for graph in model.subgraphs:
        operators: list[Any] = []
        for operator in graph.operators:
            if _table_of(model, graph, operator) == buffer:
                operators.extend(_looked_up(model, graph, operator, value.shape, size, stored))
            else:
                operators.append(operator)
        graph.operators = operators


def shared_positions(model: Any) -> None:
    """One int8 position table, a scale per row, for all lengths.

    Requires: every subgraph adds a constant [length, width] to the tokens, rows of one table.
    The converter stores them once for every length. A subgraph that adds none stays as it is.
    """
    found = [_positions(model, graph) for graph in model.subgraphs]
    tables = [each[1] for each in found if each is not None]
    if not tables:
        return
    longest = max(tables, key=len)
    if any(not np.array_equal(each, longest[: len(each)]) for each in tables):
        return
    values, scales = symmetric_int8(longest, axis=0)
    buffer = flatbuffer.constant(model, values)
    for graph, each in zip(model.subgraphs, found, strict=True):
        if each is not None:
            _read_positions(model, graph, each[0], len(each[1]), (values.shape, buffer, scales))


def _largest_table(model: Any) -> tuple[int, Values] | None:
    tables: dict[int, Values] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if flatbuffer.builtin_of(model, operator) == flatbuffer.schema().BuiltinOperator.GATHER:
                tensor = graph.tensors[operator.inputs[0]]
                value = flatbuffer.float_constant(model, tensor)
                if value is not None and value.ndim == 2:
                    tables[tensor.buffer] = value
    return max(tables.items(), key=lambda item: len(item[1])) if tables else None


def _table_of(model: Any, graph: Any, operator: Any) -> int | None:
    gather = flatbuffer.schema().BuiltinOperator.GATHER
    if flatbuffer.builtin_of(model, operator) != gather:
        return None
    return int(graph.tensors[operator.inputs[0]].buffer)


def _looked_up(
    model: Any,
    graph: Any,
    gather: Any,
    shape: tuple[int, ...],
    block: int,
    stored: tuple[int, int],
) -> list[Any]:
    types = flatbuffer.schema().TensorType
    result, ids = int(gather.outputs[0]), int(gather.inputs[1])
    name = _name(graph, int(gather.inputs[0]))
    table = blocks.add_tensor(graph, f"{name}/int4", (shape[0], shape[1]), block, stored)
    count = int(np.prod(flatbuffer.shape_of(graph.tensors[ids])))
    flat = flatbuffer.add_tensor(graph, f"{name}/ids", (count,), types.INT32)
    rows = flatbuffer.add_tensor(graph, f"{name}/rows", (count, shape[1]), types.FLOAT32)
    lookup = _embedding_lookup(model, flat, table, rows)
    return [_reshape(model, graph, ids, flat), lookup, _reshape(model, graph, rows, result)]


def _reshape(model: Any, graph: Any, source: int, target: int) -> Any:
    shape = np.array(flatbuffer.shape_of(graph.tensors[target]), np.int32)
    types = flatbuffer.schema().TensorType
    buffer = flatbuffer.constant(model, shape)
    name = f"{_name(graph, target)}/shape"
    wanted = flatbuffer.add_tensor(graph, name, shape.shape, types.INT32, buffer=buffer)
    made = flatbuffer.operator(model, "RESHAPE", [source, wanted], [target])
    made.builtinOptions.newShape = shape
    return made


def _embedding_lookup(model: Any, ids: int, table: int, rows: int) -> Any:
    made = flatbuffer.operator(model, "RESHAPE", [ids, table], [rows])  # it has no options
    made.opcodeIndex = flatbuffer.opcode(
        model, flatbuffer.schema().BuiltinOperator.EMBEDDING_LOOKUP, VERSION
    )
    made.builtinOptions, made.builtinOptionsType = None, 0
    return made


Place = tuple[Any, int]  # an ADD and which of its inputs is the constant


def _positions(model: Any, graph: Any) -> tuple[Place, Values] | None:
    """The first ADD of a constant with one row for each of several tokens, and the constant."""
    add = flatbuffer.schema().BuiltinOperator.ADD
    for operator in graph.operators:
        if flatbuffer.builtin_of(model, operator) != add:
            continue
        shape = flatbuffer.shape_of(graph.tensors[operator.outputs[0]])
        for place, index in enumerate(operator.inputs):
            value = flatbuffer.float_constant(model, graph.tensors[index])
            if value is not None and value.ndim >= 2 and value.shape[-2:] == shape[-2:]:
                rows = value.reshape(shape[-2:])
                return ((operator, place), rows) if value.size == rows.size else None
    return None


def _read_positions(
    model: Any, graph: Any, place: Place, length: int, stored: tuple[Any, int, Values]
) -> None:
    types = flatbuffer.schema().TensorType
    operator, position = place
    shape, buffer, scales = stored
    name = _name(graph, int(operator.inputs[position]))
    table = flatbuffer.add_tensor(graph, f"{name}/int8", shape, types.INT8, buffer=buffer)
    flatbuffer.set_scales(graph.tensors[table], scales)
    numbers = flatbuffer.constant(model, np.arange(length, dtype=np.int32))
    ids = flatbuffer.add_tensor(graph, f"{name}/ids", (length,), types.INT32, buffer=numbers)
    rows = flatbuffer.add_tensor(graph, f"{name}/rows", (length, shape[1]), types.FLOAT32)
    operator.inputs[position] = rows
    graph.operators = [_embedding_lookup(model, ids, table, rows), *graph.operators]


def _name(graph: Any, tensor: int) -> str:
    return str(graph.tensors[tensor].name.decode(errors="replace"))
