"""Pass: the tensors of every length named as in the first, so that names are written once.

Requires: subgraphs that the converter made of one model for several lengths: it gives tensor by
tensor the same names, with numbers at the end.
Ensures: only names change. A third of the bytes of a length's graph are names.
"""

from __future__ import annotations

from typing import Any

DIGITS = b"0123456789"


def share_names(model: Any) -> None:
    """Name the tensors of all subgraphs as in the first; one with other tensors stays as it is.

    A stage of a model with exits gets the names that its whole path gets.
    """
    first, renamed = model.subgraphs[0], {}
    stages = []
    for graph in model.subgraphs[1:]:
        if len(graph.tensors) != len(first.tensors):
            stages.append(graph)
            continue
        for tensor, named in zip(graph.tensors, first.tensors, strict=True):
            if tensor.name.rstrip(DIGITS) == named.name.rstrip(DIGITS):
                renamed[tensor.name] = named.name
                tensor.name = named.name
    for graph in stages:
        for tensor in graph.tensors:
            tensor.name = renamed.get(tensor.name, tensor.name)
