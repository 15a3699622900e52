"""Rewrites: the word table in four bits a value, or in two.

Requires: GATHER along axis 0 of a constant float32 matrix; the one with the most rows is meant.
Ensures: float32 rows, to within the precision of the stored form; one table for all subgraphs.

GATHER of int4 rows works too, but its result must have one scale for all; EMBEDDING_LOOKUP has one
for every block of a row and gives float32 at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import blockwise, product_quantization
from edge_bert.quantize.tflite_passes.pack_constants import Values
from edge_bert.records.weight_bits import ENTRIES, PIECE

VERSION = 4  # of EMBEDDING_LOOKUP, with int4


def int4_word_table(model: Any, block: int) -> None:
    """The GATHER table with the most rows in int4, a float16 scale per `block` values.

    0 is one block for the row. Tables whose width the block does not divide have one for the row.
    """
    word = _largest_table(model)
    if word is None or word[1].shape[1] % 2:  # a row must end with a byte
        return
    buffer, value = word
    width = value.shape[1]
    size = block if block and width % block == 0 else width
    stored = blockwise.store_blocks(model, blockwise.quantize_blockwise(value, size))

    def read(graph: Any, gather: Any) -> list[Any]:
        return _looked_up(model, graph, gather, value.shape, size, stored)

    _replace(model, buffer, read)


def codebook_word_table(model: Any) -> None:
    """The GATHER table with the most rows in codes of a byte, each for four values of a row.

    GATHER of codes, then one GATHER in all codebooks together, behind each other.
    """
    word = _largest_table(model)
    if word is None or word[1].shape[1] % PIECE:
        return
    buffer, value = word
    codes, books = product_quantization.quantize_table(value)
    offsets = np.arange(len(books), dtype=np.int32) * ENTRIES
    stored = tuple(flatbuffer.add_constant(model, each) for each in (codes, books, offsets))

    def read(graph: Any, gather: Any) -> list[Any]:
        return _decoded(model, graph, gather, codes.shape, stored)

    _replace(model, buffer, read)


def _largest_table(model: Any) -> tuple[int, Values] | None:
    tables: dict[int, Values] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if (
                flatbuffer.builtin_of(model, operator)
                == flatbuffer.load_schema().BuiltinOperator.GATHER
            ):
                tensor = graph.tensors[operator.inputs[0]]
                value = flatbuffer.float_constant(model, tensor)
                if value is not None and value.ndim == 2:
                    tables[tensor.buffer] = value
    return max(tables.items(), key=lambda item: len(item[1])) if tables else None


def _replace(model: Any, buffer: int, read: Callable[[Any, Any], list[Any]]) -> None:
    """Put what `read` gives (subgraph, GATHER) in the place of every GATHER of a table."""
    gather = flatbuffer.load_schema().BuiltinOperator.GATHER
    for graph in model.subgraphs:
        operators: list[Any] = []
        for operator in graph.operators:
            mine = flatbuffer.builtin_of(model, operator) == gather
            mine = mine and graph.tensors[operator.inputs[0]].buffer == buffer
            operators.extend(read(graph, operator) if mine else [operator])
        graph.operators = operators


def _decoded(
    model: Any, graph: Any, gather: Any, shape: tuple[int, ...], stored: tuple[int, ...]
) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result, ids, name = (
        int(gather.outputs[0]),
        int(gather.inputs[1]),
        name_of(graph, gather.inputs[0]),
    )
    rows, pieces = shape
    outer = (*flatbuffer.shape_of(graph.tensors[ids]), pieces)

    def tensor(suffix: str, shape: tuple[int, ...], dtype: int, buffer: int = 0) -> int:
        return flatbuffer.add_tensor(graph, f"{name}/{suffix}", shape, dtype, buffer=buffer)

    entries = (pieces * ENTRIES, PIECE)
    table = tensor("codes", (rows, pieces), types.UINT8, stored[0])
    books = tensor("codebooks", entries, types.FLOAT16, stored[1])
    offsets = tensor("offsets", (pieces,), types.INT32, stored[2])
    codes, wide = tensor("row", outer, types.UINT8), tensor("wide", outer, types.INT32)
    places = tensor("places", outer, types.INT32)
    found = tensor("pieces", (*outer, PIECE), types.FLOAT16)
    halves = tensor("halves", flatbuffer.shape_of(graph.tensors[result]), types.FLOAT16)
    cast = flatbuffer.add_operator(model, "CAST", [codes], [wide])
    cast.builtinOptions.inDataType, cast.builtinOptions.outDataType = types.UINT8, types.INT32
    return [
        flatbuffer.add_operator(model, "GATHER", [table, ids], [codes]),
        cast,
        flatbuffer.add_operator(model, "ADD", [wide, offsets], [places]),
        flatbuffer.add_operator(model, "GATHER", [books, places], [found]),
        _reshape(model, graph, found, halves),
        flatbuffer.add_operator(model, "DEQUANTIZE", [halves], [result], version=3),
    ]


def _looked_up(
    model: Any,
    graph: Any,
    gather: Any,
    shape: tuple[int, ...],
    block: int,
    stored: tuple[int, int],
) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result, ids = int(gather.outputs[0]), int(gather.inputs[1])
    name = name_of(graph, int(gather.inputs[0]))
    table = blockwise.add_tensor(graph, f"{name}/int4", (shape[0], shape[1]), block, stored)
    count = int(np.prod(flatbuffer.shape_of(graph.tensors[ids])))
    flat = flatbuffer.add_tensor(graph, f"{name}/ids", (count,), types.INT32)
    rows = flatbuffer.add_tensor(graph, f"{name}/rows", (count, shape[1]), types.FLOAT32)
    lookup = embedding_lookup(model, flat, table, rows)
    return [_reshape(model, graph, ids, flat), lookup, _reshape(model, graph, rows, result)]


def _reshape(model: Any, graph: Any, source: int, target: int) -> Any:
    shape = np.array(flatbuffer.shape_of(graph.tensors[target]), np.int32)
    types = flatbuffer.load_schema().TensorType
    buffer = flatbuffer.add_constant(model, shape)
    name = f"{name_of(graph, target)}/shape"
    wanted = flatbuffer.add_tensor(graph, name, shape.shape, types.INT32, buffer=buffer)
    made = flatbuffer.add_operator(model, "RESHAPE", [source, wanted], [target])
    made.builtinOptions.newShape = shape
    return made


def embedding_lookup(model: Any, ids: int, table: int, rows: int) -> Any:
    """EMBEDDING_LOOKUP of tensors of one subgraph; `ids` has one dimension."""
    return flatbuffer.add_operator(model, "EMBEDDING_LOOKUP", [ids, table], [rows], VERSION)


def name_of(graph: Any, tensor: int) -> str:
    """The name of a tensor of a subgraph."""
    return str(graph.tensors[tensor].name.decode(errors="replace"))
