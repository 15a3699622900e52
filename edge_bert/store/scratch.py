"""Scratch folders that go with their process, however it ends.

A process holds its folder; one that was killed leaves it to the next that works in the same place
(`leftovers.py`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_bert.errors import InputError
from edge_bert.host_system import lock_handle, open_folder
from edge_bert.store.leftovers import FOLDER, sweep_once
from edge_bert.store.os_faults import is_full, lacks_room, name_temp_folder, tell_full
from edge_bert.text import one_line

NO_ROOM = (errno.ENOSPC, errno.EFBIG)
_HELD: dict[Path, int] = {}


@contextlib.contextmanager
def scratch_folder(label: str = "", folder: Path | None = None) -> Iterator[Path]:
    """A folder of this process's own in `folder`, by default the system's for temporary files.

    It is removed at the end. Raises InputError where there is no place for it, or its disk is full.
    """
    path = make_scratch(label, folder)
    try:
        yield path
    except Exception as error:
        _blame_disk(path, error)
        raise
    finally:
        remove_scratch(path)


def make_scratch(label: str = "", folder: Path | None = None) -> Path:
    """As `scratch_folder`, for whoever removes it himself with `remove_scratch`."""
    name = f"{FOLDER}{label}-" if label else FOLDER
    try:
        if folder is not None:
            return make_held(folder, f".{name}")
        return make_held(Path(tempfile.gettempdir()), name)
    except OSError as error:
        if folder is not None:
            raise
        raise InputError(
            f"No temporary folder can be made ({one_line(error.strerror or error)}); free some "
            "space there, or point TMPDIR to a folder that can be written."
        ) from error


def make_held(folder: Path, prefix: str) -> Path:
    """A new folder in `folder` that this process holds until `remove_scratch`."""
    sweep_once(folder)
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
        handle = open_folder(path)
        if handle >= 0:
            lock_handle(handle, wait=True)
        if path.is_dir():  # else it was swept in the moment before it was locked
            _HELD[path] = handle
            return path
        os.close(handle)


def remove_scratch(path: Path) -> None:
    """Remove a scratch folder, whatever it is called by now, and let go of it."""
    shutil.rmtree(path, ignore_errors=True)
    let_go(path)


def let_go(path: Path) -> None:
    """Hold a folder no more, which stays."""
    handle = _HELD.pop(path, -1)
    if handle >= 0:
        os.close(handle)


def _blame_disk(path: Path, error: Exception) -> None:
    """Raise InputError where `error` came of a full disk of the scratch folder `path`.

    That has to be looked at while the folder is there: with it goes what fills the disk. Libraries
    have errors of their own for it, and a program that could not write may say nothing at all.
    """
    if isinstance(error, InputError) or not _may_be_about(error, path):
        return
    said = [number for number in NO_ROOM if os.strerror(number) in str(error)]
    if said or lacks_room(path):
        cause = OSError(said[0] if said else errno.ENOSPC, "")
        place = path.parent
        raise InputError(tell_full(place, cause, name_temp_folder(place))) from error


def _may_be_about(error: Exception, path: Path) -> bool:
    """Whether an error names no file, or one in the folder."""
    if not isinstance(error, OSError):
        return True
    if not isinstance(error.filename, str | bytes):
        return is_full(error)
    return is_full(error) and Path(os.fsdecode(error.filename)).is_relative_to(path)
