"""What killed processes left behind: scratch folders, half-written files, files of locks.

Each is locked by the process that made it (flock(2), which the system drops at any end). So what
has a name of ours and is locked by nobody belongs to nobody.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
from pathlib import Path

from edge_bert.host_system import lock_handle, open_folder
from edge_bert.store.locks import remove_unheld

FOLDER = "edge-bert-scratch-"
FILE = ".writing-"
SCRATCH = re.compile(rf"\.?{FOLDER}.*[a-z0-9_]{{8}}")  # as tempfile ends its names
WRITING = re.compile(rf"{re.escape(FILE)}[a-z0-9_]{{8}}")
ENTRY_LOCK = re.compile(r"\.[0-9a-f]{64}\.lock")  # of an entry of the cache


def sweep_leftovers(folder: Path) -> None:
    """Remove from `folder` what is ours and no live process holds."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if SCRATCH.fullmatch(entry.name):
                remove_unheld_folder(path)
            elif WRITING.fullmatch(entry.name):
                _remove_unheld_file(path)
            elif ENTRY_LOCK.fullmatch(entry.name):
                remove_unheld(path)


@functools.cache
def sweep_once(folder: Path) -> None:
    """As `sweep_leftovers`, the first time that this process works in `folder`."""
    sweep_leftovers(folder)


def remove_unheld_folder(path: Path) -> None:
    """Remove a folder that no process holds; a link stays."""
    handle = open_folder(path)
    if handle < 0:
        return
    try:
        if lock_handle(handle):
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)


def _remove_unheld_file(path: Path) -> None:
    try:
        flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # not on Windows
        handle = os.open(path, os.O_RDWR | flags)
    except OSError:
        return
    try:
        if lock_handle(handle):
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)
