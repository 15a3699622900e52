"""Locks of files between processes: held, told plainly, and gone when they are let go."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from edge_bert.errors import BusyError, InputError

NO_FILE = (errno.ELOOP, errno.EISDIR, errno.ENXIO)


@contextlib.contextmanager
def hold_lock(path: Path, busy: str, *, wait_s: float = 0.0, stays: bool = False) -> Iterator[None]:
    """The lock at `path` for this process alone; its file goes with it, unless it `stays`.

    The system drops the lock of a process that ends in whatever way. Raises BusyError, which says
    `busy`, where another process holds it for longer than `wait_s`; InputError where a link or a
    folder is in its place, or its disk has no locks; OSError where it cannot be made.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise BusyError(busy) from error
    except NotImplementedError as error:
        raise InputError(f"The disk of {path} has no locks; choose another place.") from error
    except OSError as error:
        if error.errno in NO_FILE or path.is_symlink():
            raise InputError(
                f"{path} should be a lock, and is a link or a folder; remove it and try again."
            ) from error
        raise
    try:
        yield
    finally:
        if not stays:
            # Before it is released: whoever waits then sees that the file has no name any more.
            with contextlib.suppress(OSError):
                path.unlink()
        lock.release()


def remove_unheld(path: Path) -> None:
    """Remove the file of a lock whose process was killed; one that is held stays."""
    if path.is_file() and not path.is_symlink():
        with contextlib.suppress(BusyError, InputError, OSError), hold_lock(path, ""):
            pass
