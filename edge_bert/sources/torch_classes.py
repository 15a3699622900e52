"""Classes of PyTorch that a model's files name, which are never imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.text import shorten


def read_torch_class(path: Path | str, key: str, name: object, classes: Mapping[str, str]) -> str:
    """Our name of the class that `key` of the file `path` names.

    `classes` has ours by the last names of theirs. Raises ModelError for a class that is not
    PyTorch's, or not among them.
    """
    package, _, last = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    if package.split(".")[0] != "torch" or last not in classes:
        raise ModelError(
            f"{path}: {key} is {shorten(name)}; edge-bert has {', '.join(classes)} of torch.nn."
        )
    return classes[last]
