"""Passes: the word table in four bits a value, or in two.

Requires: GATHER along axis 0 of a constant float32 matrix: the word table has the most rows.
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

LOOKUP_VERSION = 4  # of EMBEDDING_LOOKUP, with int4


def int4_word_table(model: Any, block: int) -> None:
    """The GATHER table with the most rows in int4, a float16 scale per `block` values.

    `block` 0 is one block for the row; so it is where `block` does not divide the width.
    """
    word_table = _largest_table(model)
    if word_table is None or word_table[1].shape[1] % 2:  # a row must end with a byte
        return
    buffer, value = word_table
    width = value.shape[1]
    size = block if block and width % block == 0 else width
    buffers = blockwise.store_blocks(model, blockwise.quantize_blockwise(value, size))

    def lookup(graph: Any, gather: Any) -> list[Any]:
        return _look_up_int4(model, graph, gather, value.shape, size, buffers)

    _replace_gathers(model, buffer, lookup)


def codebook_word_table(model: Any) -> None:
    """The GATHER table with the most rows in codes of a byte, each for four values of a row.

    GATHER of the codes, then one GATHER from all codebooks, which stand one behind the other.
    """
    word_table = _largest_table(model)
    if word_table is None or word_table[1].shape[1] % PIECE:
        return
    buffer, value = word_table
    codes, codebooks = product_quantization.quantize_table(value)
    offsets = np.arange(len(codebooks), dtype=np.int32) * ENTRIES
    buffers = tuple(flatbuffer.add_constant(model, x) for x in (codes, codebooks, offsets))

    def lookup(graph: Any, gather: Any) -> list[Any]:
        return _look_up_codes(model, graph, gather, codes.shape, buffers)

    _replace_gathers(model, buffer, lookup)


def _largest_table(model: Any) -> tuple[int, Values] | None:
    """The buffer and the value of the float32 GATHER table with the most rows."""
    gather = flatbuffer.load_schema().BuiltinOperator.GATHER
    tables: dict[int, Values] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if flatbuffer.builtin_of(model, operator) == gather:
                tensor = graph.tensors[operator.inputs[0]]
                value = flatbuffer.float_constant(model, tensor)
                if value is not None and value.ndim == 2:
                    tables[tensor.buffer] = value
    return max(tables.items(), key=lambda item: len(item[1])) if tables else None


def _replace_gathers(model: Any, buffer: int, lookup: Callable[[Any, Any], list[Any]]) -> None:
    """Put the operators that `lookup` (of subgraph, GATHER) gives for every GATHER of a table."""
    gather = flatbuffer.load_schema().BuiltinOperator.GATHER
    for graph in model.subgraphs:
        operators: list[Any] = []
        for operator in graph.operators:
            reads = flatbuffer.builtin_of(model, operator) == gather
            reads = reads and graph.tensors[operator.inputs[0]].buffer == buffer
            operators.extend(lookup(graph, operator) if reads else [operator])
        graph.operators = operators


def _look_up_codes(
    model: Any, graph: Any, gather: Any, shape: tuple[int, ...], buffers: tuple[int, ...]
) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result, ids = int(gather.outputs[0]), int(gather.inputs[1])
    name = flatbuffer.name_of(graph, gather.inputs[0])
    rows, pieces = shape
    outer = (*flatbuffer.shape_of(graph.tensors[ids]), pieces)

    def tensor(suffix: str, shape: tuple[int, ...], dtype: int, buffer: int = 0) -> int:
        return flatbuffer.add_tensor(graph, f"{name}/{suffix}", shape, dtype, buffer=buffer)

    entries = (pieces * ENTRIES, PIECE)
    table = tensor("codes", (rows, pieces), types.UINT8, buffers[0])
    codebooks = tensor("codebooks", entries, types.FLOAT16, buffers[1])
    offsets = tensor("offsets", (pieces,), types.INT32, buffers[2])
    codes, int32_codes = tensor("row", outer, types.UINT8), tensor("wide", outer, types.INT32)
    entry_ids = tensor("places", outer, types.INT32)
    vectors = tensor("pieces", (*outer, PIECE), types.FLOAT16)
    halves = tensor("halves", flatbuffer.shape_of(graph.tensors[result]), types.FLOAT16)
    cast = flatbuffer.add_operator(model, "CAST", [codes], [int32_codes])
    cast.builtinOptions.inDataType, cast.builtinOptions.outDataType = types.UINT8, types.INT32
    return [
        flatbuffer.add_operator(model, "GATHER", [table, ids], [codes]),
        cast,
        flatbuffer.add_operator(model, "ADD", [int32_codes, offsets], [entry_ids]),
        flatbuffer.add_operator(model, "GATHER", [codebooks, entry_ids], [vectors]),
        _reshape(model, graph, vectors, halves),
        flatbuffer.add_operator(model, "DEQUANTIZE", [halves], [result], version=3),
    ]


def _look_up_int4(
    model: Any,
    graph: Any,
    gather: Any,
    shape: tuple[int, ...],
    block: int,
    buffers: tuple[int, int],
) -> list[Any]:
    types = flatbuffer.load_schema().TensorType
    result, ids = int(gather.outputs[0]), int(gather.inputs[1])
    name = flatbuffer.name_of(graph, int(gather.inputs[0]))
    table = blockwise.add_int4_tensor(graph, f"{name}/int4", (shape[0], shape[1]), block, buffers)
    count = int(np.prod(flatbuffer.shape_of(graph.tensors[ids])))
    flat = flatbuffer.add_tensor(graph, f"{name}/ids", (count,), types.INT32)
    rows = flatbuffer.add_tensor(graph, f"{name}/rows", (count, shape[1]), types.FLOAT32)
    lookup = make_embedding_lookup(model, flat, table, rows)
    return [_reshape(model, graph, ids, flat), lookup, _reshape(model, graph, rows, result)]


def _reshape(model: Any, graph: Any, source: int, target: int) -> Any:
    shape = np.array(flatbuffer.shape_of(graph.tensors[target]), np.int32)
    types = flatbuffer.load_schema().TensorType
    buffer = flatbuffer.add_constant(model, shape)
    name = f"{flatbuffer.name_of(graph, target)}/shape"
    new_shape = flatbuffer.add_tensor(graph, name, shape.shape, types.INT32, buffer=buffer)
    reshape = flatbuffer.add_operator(model, "RESHAPE", [source, new_shape], [target])
    reshape.builtinOptions.newShape = shape
    return reshape


def make_embedding_lookup(model: Any, ids: int, table: int, rows: int) -> Any:
    """EMBEDDING_LOOKUP of tensors of one subgraph; `ids` has one dimension."""
    return flatbuffer.add_operator(model, "EMBEDDING_LOOKUP", [ids, table], [rows], LOOKUP_VERSION)
