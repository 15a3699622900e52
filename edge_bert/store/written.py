"""What the command in progress has put in its place so far, for whoever tells how it ended."""

from __future__ import annotations

from pathlib import Path

_WRITTEN: dict[Path, None] = {}


def note_written(path: Path) -> None:
    """`path` holds something new from now on."""
    _WRITTEN[path] = None


def list_written() -> list[Path]:
    """What is new since the command began, in the order of writing."""
    return list(_WRITTEN)


def forget_written() -> None:
    """A command begins."""
    _WRITTEN.clear()
