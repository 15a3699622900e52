"""A bundle's folder, replaced as a whole: the old one stays until the new one stands."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from edge_bert.errors import BusyError, InputError

KEPT = ("measurements",)
AT_FDCWD = -100
RENAME_EXCHANGE = 2


@contextlib.contextmanager
def replacing(folder: Path, *, wait_s: float = 0.0) -> Iterator[Path]:
    """A scratch folder that takes the place of `folder` when the block ends well.

    Measurements of the old bundle are carried over. Raises BusyError when another build holds
    `folder` for longer than `wait_s` seconds, InputError when it cannot be written to.
    """
    with _told_plainly(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, wait_s):
            _sweep(folder)
            scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.new-"))
            try:
                yield scratch
                _keep(folder, scratch)
                scratch.chmod(0o755)
                _exchange(scratch, folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _told_plainly(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InputError(
                f"The disk of {folder} is full; the bundle there is as it was. Free some space."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise InputError(
                f"{folder} cannot be written ({os.strerror(error.errno)}); choose another --out."
            ) from error
        raise


@contextlib.contextmanager
def _locked(folder: Path, wait_s: float) -> Iterator[None]:
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise BusyError(f"Another build is writing {folder}; wait for it or stop it.") from error
    try:
        yield
    finally:
        lock.release()


def _sweep(folder: Path) -> None:
    """Remove what an interrupted build left beside `folder`; the lock says that none is alive."""
    for left in folder.parent.glob(f".{folder.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)


def _keep(folder: Path, scratch: Path) -> None:
    for name in KEPT:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, scratch / name)


def _exchange(new: Path, folder: Path) -> None:
    """Put `new` where `folder` is in one step; the old folder ends up at `new`."""
    if not folder.exists():
        new.rename(folder)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(new), os.fsencode(folder))
    if libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0:
        return
    # A file system without exchange: two renames, with a moment in which the name is free.
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.new-")) / "old"
    folder.rename(aside)
    new.rename(folder)
    shutil.rmtree(aside.parent, ignore_errors=True)
