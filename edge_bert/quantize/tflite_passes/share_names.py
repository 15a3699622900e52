"""Pass: the tensors of every length named as in the first, so that names are written once.

Requires: subgraphs that the converter made of one model for several lengths: it gives tensor by
tensor the same names, with numbers at the end.
Ensures: only names change. A third of the bytes of a length's graph are names.
"""

from __future__ import annotations

from typing import Any

DIGITS = b"0123456789"


def share_names(model: Any) -> None:
    """Name the tensors of all subgraphs as in the first; one with other tensors stays as it is."""
    first = model.subgraphs[0]
    for graph in model.subgraphs[1:]:
        if len(graph.tensors) != len(first.tensors):
            continue
        for tensor, named in zip(graph.tensors, first.tensors, strict=True):
            if tensor.name.rstrip(DIGITS) == named.name.rstrip(DIGITS):
                tensor.name = named.name
