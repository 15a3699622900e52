"""How large a model becomes when its local functions are inlined, before they are.

Each function is measured once, so that the time is linear in the file, however often functions call
each other. What a caller passes as an attribute stands wherever the function names it.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.onnx.walk import list_graphs
from edge_bert.text import shorten

MAX_DEPTH = 100  # of functions that call functions; exporters nest about ten


@dataclass(frozen=True)
class InlinedSize:
    """Nodes and bytes; `names` counts the places where a caller's attributes stand, by name."""

    nodes: int = 0
    size: int = 0
    names: collections.Counter[str] = field(default_factory=collections.Counter)

    def repeat(self, times: int) -> InlinedSize:
        """The same as often as `times` says."""
        names = {name: count * times for name, count in self.names.items()}
        return InlinedSize(self.nodes * times, self.size * times, collections.Counter(names))


def measure_inlined(model: Any) -> InlinedSize:
    """The size of the graph of a ModelProto once no function is left in it.

    Raises ModelError for functions that call themselves, or that are nested too deeply.
    """
    measure = _Measure(model)
    return measure.sum_nodes(model.graph.node, 0)


class _Measure:
    """The functions of a model, and the sizes of those that were measured."""

    def __init__(self, model: Any) -> None:
        self._functions = {
            _key(item.domain, item.name, item.overload): item for item in model.functions
        }
        self._sizes: dict[tuple[str, str, str], InlinedSize | None] = {}

    def sum_nodes(self, nodes: Iterable[Any], depth: int) -> InlinedSize:
        """Nodes with all that they call."""
        return _sum(self._measure_node(node, depth) for node in nodes)

    def _measure_node(self, node: Any, depth: int) -> InlinedSize:
        key = _key(node.domain, node.op_type, node.overload)
        passed = {item.name: self._measure_attribute(item, depth) for item in node.attribute}
        if key not in self._functions:
            return _sum((InlinedSize(1, node.ByteSize()), *passed.values()))
        called = self._measure_function(key, depth + 1)
        parts = [InlinedSize(called.nodes, called.size)]
        defaults = {item.name: item for item in self._functions[key].attribute_proto}
        for name, times in called.names.items():
            if name not in passed and name in defaults:
                passed[name] = self._measure_attribute(defaults[name], depth)
            parts.append(passed.get(name, InlinedSize()).repeat(times))
        return _sum(parts)

    def _measure_function(self, key: tuple[str, str, str], depth: int) -> InlinedSize:
        name = shorten(key[1])
        if key in self._sizes:
            known = self._sizes[key]
            if known is None:
                raise ModelError(
                    f"The function {name} of the ONNX file calls itself, so that it has no end; "
                    "export the model again."
                )
            return known
        if depth > MAX_DEPTH:
            raise ModelError(
                f"The functions of the ONNX file are nested more than {MAX_DEPTH} deep, at {name}; "
                "export the model with its functions inlined."
            )
        self._sizes[key] = None
        size = self.sum_nodes(self._functions[key].node, depth)
        self._sizes[key] = size
        return size

    def _measure_attribute(self, attribute: Any, depth: int) -> InlinedSize:
        if attribute.ref_attr_name:
            return InlinedSize(names=collections.Counter([attribute.ref_attr_name]))
        graphs = (self.sum_nodes(graph.node, depth) for graph in list_graphs(attribute))
        return _sum((InlinedSize(0, attribute.ByteSize()), *graphs))


def _sum(sizes: Iterable[InlinedSize]) -> InlinedSize:
    """All of them together, each looked at once."""
    nodes, size, names = 0, 0, collections.Counter[str]()
    for part in sizes:
        nodes, size = nodes + part.nodes, size + part.size
        names.update(part.names)
    return InlinedSize(nodes, size, names)


def _key(domain: str, name: str, overload: str) -> tuple[str, str, str]:
    return "" if domain == "ai.onnx" else domain, name, overload
