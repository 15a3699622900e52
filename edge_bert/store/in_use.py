"""Folders that commands work in: many at once, and one alone that removes them.

A command shares the cache and its output folder with others until it ends. `invoke clean` takes
them alone, or says who is at work. Where the system has no such locks, nothing is held.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_bert.errors import BusyError
from edge_bert.host_system import lock_handle, open_folder
from edge_bert.text import make_printable

LOCKS = Path("/proc/locks")
LONGEST_COMMAND = 120
MOST_SHARED = 16  # a command works in two or three
_SHARED: dict[Path, int] = {}


def share_folder(folder: Path) -> None:
    """Work in `folder`, which is there, until `leave_folders` or the end of the process."""
    path = folder.absolute()
    while path not in _SHARED or not _is_same(path, _SHARED[path]):
        if path in _SHARED:  # it was removed and made again
            os.close(_SHARED.pop(path))
        handle = open_folder(path)
        if handle < 0:
            return
        lock_handle(handle, shared=True, wait=True)
        _SHARED[path] = handle
        if len(_SHARED) > MOST_SHARED:
            os.close(_SHARED.pop(next(iter(_SHARED))))


def leave_folders() -> None:
    """Work in no folder any more."""
    while _SHARED:
        _, handle = _SHARED.popitem()
        os.close(handle)


@contextlib.contextmanager
def take_folders(folders: Sequence[Path]) -> Iterator[None]:
    """The folders for this process alone; BusyError, which names who works there, else."""
    with contextlib.ExitStack() as stack:
        for folder in folders:
            handle = open_folder(folder)
            if handle < 0:
                continue
            stack.callback(os.close, handle)
            if lock_handle(handle) is False:
                raise BusyError(
                    f"{folder} is in use{_name_holders(handle)}; wait until that ends, or stop it."
                )
        yield


def _is_same(path: Path, handle: int) -> bool:
    """Whether the open folder is the one at `path` now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _name_holders(handle: int) -> str:
    """The commands that hold a folder, as Linux knows them; nothing elsewhere."""
    inode = os.fstat(handle).st_ino
    try:
        rows = [line.split() for line in LOCKS.read_text().splitlines()]
        numbers = [row[4] for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{inode}")]
        commands = [Path(f"/proc/{number}/cmdline").read_text() for number in numbers]
    except (OSError, IndexError, UnicodeDecodeError):
        return ""
    names = [
        f"`{make_printable(command.replace(chr(0), ' ').strip())[:LONGEST_COMMAND]}` "
        f"(process {number})"
        for number, command in zip(numbers, commands, strict=True)
    ]
    return f" by {' and '.join(names)}" if names else ""
