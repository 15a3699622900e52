"""Pass: tensors, buffers and operator codes that nothing uses are removed.

Ensures: the same operators in the same order; only the indices that they hold change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NONE = -1  # the index of a tensor that an operator or a quantization does without


def remove_unused(model: Any) -> None:
    """Remove from `model`, in place, what no operator, signature or metadata refers to."""
    for index, graph in enumerate(model.subgraphs):
        entries = [
            entry
            for signature in model.signatureDefs or []
            if signature.subgraphIndex == index
            for entry in [*(signature.inputs or []), *(signature.outputs or [])]
        ]
        _remove_tensors(graph, entries)
    _remove_buffers(model)
    _remove_opcodes(model)


def _remove_tensors(graph: Any, entries: list[Any]) -> None:
    lists = [(graph, "inputs"), (graph, "outputs")]
    for operator in graph.operators:
        lists += [(operator, name) for name in ("inputs", "outputs", "intermediates")]
    single = [(entry, "tensorIndex") for entry in entries]
    used = {int(index) for owner, name in lists for index in _listed(owner, name)}
    used |= {getattr(owner, name) for owner, name in single}
    single += _scale_tensors(graph, used)
    used |= {getattr(owner, name) for owner, name in single}
    new_index = _renumber(used - {NONE}) | {NONE: NONE}
    graph.tensors = [graph.tensors[index] for index in new_index if index != NONE]
    for owner, name in lists:
        if getattr(owner, name) is not None:
            setattr(owner, name, [new_index[int(index)] for index in _listed(owner, name)])
    for owner, name in single:
        setattr(owner, name, new_index[getattr(owner, name)])


def _scale_tensors(graph: Any, used: set[int]) -> list[tuple[Any, str]]:
    """The records that name the tensors of scales, of tensors in `used` quantized in blocks."""
    quantized = [graph.tensors[index].quantization for index in sorted(used - {NONE})]
    details = {id(params.details): params.details for params in quantized if params is not None}
    return [
        (blockwise, name)
        for blockwise in details.values()
        for name in ("scales", "zeroPoints")
        if hasattr(blockwise, name)
    ]


def _listed(owner: Any, name: str) -> Iterable[Any]:
    value = getattr(owner, name)
    return () if value is None else value


def _remove_buffers(model: Any) -> None:
    """The first buffer stays: it is the empty one of every tensor that is no constant."""
    owners = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    owners += model.metadata or []
    new_index = _renumber({0, *(owner.buffer for owner in owners)})
    model.buffers = [model.buffers[index] for index in new_index]
    for owner in owners:
        owner.buffer = new_index[owner.buffer]


def _remove_opcodes(model: Any) -> None:
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    new_index = _renumber({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[index] for index in new_index]
    for operator in operators:
        operator.opcodeIndex = new_index[operator.opcodeIndex]


def _renumber(used: set[int]) -> dict[int, int]:
    """The new index of each old one, in the old order."""
    return {old: new for new, old in enumerate(sorted(used))}
