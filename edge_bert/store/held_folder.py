"""Folders of the cache that one process at a time works in, and that go when they are too many."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_bert.errors import BusyError, InputError
from edge_bert.store.locks import hold_lock

LOCK = ".lock"
SCRATCH = ".writing-*"  # what `write_atomic` was at when its process was killed


@contextlib.contextmanager
def hold_folder(folder: Path, work: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """`folder`, made if need be, for this process alone; `work` says what is done in it.

    What a process that was killed left half written there is removed, and the folder counts as
    used now. Raises BusyError where another process holds it for longer than `wait_s`, InputError
    where it cannot be written.
    """
    busy = f"Another process is {work} in {folder}; wait until it ends, or stop it."
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold_lock(folder / LOCK, busy, wait_s=wait_s, stays=True))
            for left in folder.glob(SCRATCH):
                left.unlink(missing_ok=True)
            os.utime(folder)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}); make room, or point "
                "EDGE_BERT_CACHE to another folder."
            ) from error
        yield


def trim_folders(root: Path, most_bytes: int) -> None:
    """Remove the folders in `root` that were longest unused, down to `most_bytes` in all.

    Only folders that `hold_folder` made go, or folders of such; and neither the last used one nor
    one that is held.
    """
    if not root.is_dir():
        return
    held = {folder: list(folder.rglob(LOCK)) for folder in root.iterdir() if folder.is_dir()}
    folders = sorted((folder for folder in held if held[folder]), key=_used_at, reverse=True)
    total = 0
    for folder in folders:
        total += _measure_folder(folder)
        if total > most_bytes and folder != folders[0]:
            _remove_unheld(folder, held[folder])


def _used_at(folder: Path) -> float:
    """When it or a folder in it was held last."""
    last = 0.0
    for path in (folder, *folder.rglob("*/")):
        with contextlib.suppress(OSError):  # another process may remove some meanwhile
            last = max(last, path.stat().st_mtime)
    return last


def _measure_folder(folder: Path) -> int:
    """The bytes of the files in it; another process may remove some meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


def _remove_unheld(folder: Path, locks: Iterable[Path]) -> None:
    with contextlib.suppress(BusyError, InputError, OSError), contextlib.ExitStack() as stack:
        for path in locks:
            stack.enter_context(hold_lock(path, "", stays=True))
        shutil.rmtree(folder, ignore_errors=True)
