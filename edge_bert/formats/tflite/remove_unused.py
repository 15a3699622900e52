"""Rewrite: tensors, buffers and operator codes that nothing uses leave the model.

Ensures: the same operators in the same order; only the numbers of what they refer to change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NONE = -1  # stands where an operator or a quantization does without a tensor


def remove_unused(model: Any) -> None:
    """Leave out of `model`, in place, what no operator, signature or metadata refers to."""
    for index, graph in enumerate(model.subgraphs):
        entries = [
            entry
            for signature in model.signatureDefs or []
            if signature.subgraphIndex == index
            for entry in [*(signature.inputs or []), *(signature.outputs or [])]
        ]
        _drop_tensors(graph, entries)
    _drop_buffers(model)
    _drop_opcodes(model)


def _drop_tensors(graph: Any, entries: list[Any]) -> None:
    lists = [(graph, "inputs"), (graph, "outputs")]
    for operator in graph.operators:
        lists += [(operator, name) for name in ("inputs", "outputs", "intermediates")]
    single = [(entry, "tensorIndex") for entry in entries]
    used = {int(index) for owner, name in lists for index in _listed(owner, name)}
    used |= {getattr(owner, name) for owner, name in single}
    single += _scale_tensors(graph, used)
    used |= {getattr(owner, name) for owner, name in single}
    place = _places(used - {NONE}) | {NONE: NONE}
    graph.tensors = [graph.tensors[index] for index in place if index != NONE]
    for owner, name in lists:
        if getattr(owner, name) is not None:
            setattr(owner, name, [place[int(index)] for index in _listed(owner, name)])
    for owner, name in single:
        setattr(owner, name, place[getattr(owner, name)])


def _scale_tensors(graph: Any, used: set[int]) -> list[tuple[Any, str]]:
    """Where tensors in `used` that are quantized in blocks name the tensors of their scales."""
    quantized = [graph.tensors[index].quantization for index in sorted(used - {NONE})]
    details = {id(each.details): each.details for each in quantized if each is not None}
    return [
        (each, name)
        for each in details.values()
        for name in ("scales", "zeroPoints")
        if hasattr(each, name)
    ]


def _listed(owner: Any, name: str) -> Iterable[Any]:
    value = getattr(owner, name)
    return () if value is None else value


def _drop_buffers(model: Any) -> None:
    """The first buffer stays: it is the empty one of every tensor that is no constant."""
    owners = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    owners += model.metadata or []
    place = _places({0, *(owner.buffer for owner in owners)})
    model.buffers = [model.buffers[index] for index in place]
    for owner in owners:
        owner.buffer = place[owner.buffer]


def _drop_opcodes(model: Any) -> None:
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    place = _places({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[index] for index in place]
    for operator in operators:
        operator.opcodeIndex = place[operator.opcodeIndex]


def _places(used: set[int]) -> dict[int, int]:
    """The new number of each old one, in the old order."""
    return {old: new for new, old in enumerate(sorted(used))}
