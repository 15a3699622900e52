"""Every node and every tensor of an ONNX file, wherever it hides, without recursion.

Graphs lie in attributes, functions, the defaults of functions and what a file says of training;
tensors in all of these, some as pairs of values and indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk_nodes(model: Any) -> Iterator[Any]:
    """The nodes of all graphs and functions of a ModelProto."""
    for part in _walk_parts(model):
        yield from part.node


def walk_tensors(model: Any) -> Iterator[Any]:
    """The TensorProtos of all graphs and functions of a ModelProto."""
    for part in _walk_parts(model):
        yield from _list_own_tensors(part)


def walk_sparse(model: Any) -> Iterator[Any]:
    """The SparseTensorProtos of all graphs and functions of a ModelProto."""
    for part in _walk_parts(model):
        yield from getattr(part, "sparse_initializer", ())
        for attribute in _list_attributes(part):
            yield from _list_sparse(attribute)


def list_graphs(attribute: Any) -> list[Any]:
    """The graphs in an attribute."""
    own = [attribute.g] if attribute.HasField("g") else []
    return [*own, *attribute.graphs]


def _walk_parts(model: Any) -> Iterator[Any]:
    """GraphProtos and FunctionProtos, those inside others too."""
    open_ = [model.graph, *model.functions]
    for training in model.training_info:
        open_ += [training.initialization, training.algorithm]
    while open_:
        part = open_.pop()
        yield part
        for attribute in _list_attributes(part):
            open_ += list_graphs(attribute)


def _list_attributes(part: Any) -> Iterator[Any]:
    yield from getattr(part, "attribute_proto", ())
    for node in part.node:
        yield from node.attribute


def _list_own_tensors(part: Any) -> Iterator[Any]:
    yield from getattr(part, "initializer", ())
    for sparse in getattr(part, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for attribute in _list_attributes(part):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in _list_sparse(attribute):
            yield from (sparse.values, sparse.indices)


def _list_sparse(attribute: Any) -> list[Any]:
    own = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    return [*own, *attribute.sparse_tensors]
