"""A part of a subgraph as a subgraph of its own, on the same constants."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer

NONE = -1


def cut_graph(graph: Any, known: Collection[int], outputs: Collection[int]) -> Any:
    """A copy of the subgraph `graph` with the operators alone that lead to the tensors `outputs`.

    `known` are tensors that are given: what leads to them is left out. Tensors keep their indices,
    and what is not used goes when the file is written. The caller names the inputs.
    """
    part = copy.copy(graph)
    part.tensors = [copy.deepcopy(tensor) for tensor in graph.tensors]
    part.operators = [copy.deepcopy(x) for x in _leading_to(graph, known, outputs)]
    part.outputs = list(outputs)
    return part


def _leading_to(graph: Any, known: Collection[int], outputs: Collection[int]) -> list[Any]:
    wanted, operators = set(map(int, outputs)) - set(known), []
    for operator in reversed(graph.operators):
        if wanted.isdisjoint(map(int, operator.outputs)):
            continue
        operators.append(operator)
        wanted |= set(map(int, operator.inputs)) - set(known)
    return operators[::-1]


def list_sources(model: Any, graph: Any) -> set[int]:
    """The tensors that the operators of `graph` read and none gives, other than constants."""
    given = {int(index) for operator in graph.operators for index in operator.outputs}
    return {
        index
        for operator in graph.operators
        for index in map(int, operator.inputs)
        if index not in given and index != NONE and not _is_constant(model, graph, index)
    }


def _is_constant(model: Any, graph: Any, index: int) -> bool:
    data = model.buffers[graph.tensors[index].buffer].data
    return data is not None and len(data) > 0


def find_readers(model: Any, graph: Any, tensor: int, name: str) -> Iterator[Any]:
    """The operators called `name` whose first input is a tensor."""
    for operator in graph.operators:
        if int(operator.inputs[0]) == tensor and flatbuffer.operator_name(model, operator) == name:
            yield operator


def add_reshape(model: Any, graph: Any, source: int, target: int) -> Any:
    """A RESHAPE between tensors of `graph`, not yet among its operators."""
    shape = np.array(flatbuffer.shape_of(graph.tensors[target]), np.int32)
    index = flatbuffer.add_tensor(
        graph,
        f"{flatbuffer.name_of(graph, target)}/shape",
        shape.shape,
        flatbuffer.load_schema().TensorType.INT32,
        buffer=flatbuffer.add_constant(model, shape),
    )
    reshape = flatbuffer.add_operator(model, "RESHAPE", [source, index], [target])
    reshape.builtinOptions.newShape = shape
    return reshape


def name_entries(entries: Sequence[Any]) -> dict[str, int]:
    """The tensors of a signature's inputs or outputs by their names."""
    return {entry.name.decode(): int(entry.tensorIndex) for entry in entries}
