"""Git LFS pointers: a few lines of text that stand in place of a large file until it is pulled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import open_model_file

MARK = b"version https://git-lfs"


def is_pointer(data: bytes) -> bool:
    """Whether `data`, a file or its start, is a pointer."""
    return data.startswith(MARK)


def refuse_pointers(paths: Iterable[Path]) -> None:
    """Raise ModelError for the first of these files that is a pointer; others are not judged."""
    for path in paths:
        if _starts_as_pointer(path):
            raise ModelError(f"{path} is a Git LFS pointer, not the file itself: git lfs pull.")


def _starts_as_pointer(path: Path) -> bool:
    try:
        return is_pointer(open_model_file(path).read(len(MARK)))
    except ModelError:  # whoever needs the file says so
        return False
