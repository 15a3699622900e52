"""Rewrite: a GATHER of table rows becomes an EMBEDDING_LOOKUP.

Requires: GATHER along axis 0 of a constant float matrix by int32 ids [1, n].
Ensures: the same float result; the table can then have a scale per row, which GATHER cannot.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.quantize import flatbuffer


def rewrite_lookups(model: Any) -> None:
    """Replace every table GATHER in every subgraph of `model`, in place."""
    schema = flatbuffer.schema()
    for graph in model.subgraphs:
        operators: list[Any] = []
        for operator in graph.operators:
            if flatbuffer.builtin_of(model, operator) == schema.BuiltinOperator.GATHER:
                operators.extend(_lookup(model, graph, operator))
            else:
                operators.append(operator)
        graph.operators = operators


def _lookup(model: Any, graph: Any, gather: Any) -> list[Any]:
    """RESHAPE of the ids to one dimension, then EMBEDDING_LOOKUP to rows [n, columns]."""
    schema = flatbuffer.schema()
    table, ids = gather.inputs
    count = int(np.prod(graph.tensors[ids].shape))
    name = graph.tensors[ids].name.decode()
    flat = flatbuffer.add_tensor(graph, f"{name}/flat", (count,), schema.TensorType.INT32)
    shape = flatbuffer.add_tensor(
        graph,
        f"{name}/flat_shape",
        (1,),
        schema.TensorType.INT32,
        buffer=flatbuffer.constant(model, np.array([count], np.int32)),
    )
    reshape = schema.OperatorT()
    reshape.opcodeIndex = flatbuffer.opcode(model, schema.BuiltinOperator.RESHAPE)
    reshape.inputs, reshape.outputs = [ids, shape], [flat]
    lookup = schema.OperatorT()
    lookup.opcodeIndex = flatbuffer.opcode(model, schema.BuiltinOperator.EMBEDDING_LOOKUP)
    lookup.inputs, lookup.outputs = [flat, table], gather.outputs
    rows = graph.tensors[gather.outputs[0]]
    rows.shape = [count, int(rows.shape[-1])]
    return [reshape, lookup]
