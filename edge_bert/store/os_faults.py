"""What the system refused, in one line that says whose fault it is and what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_bert.errors import InputError
from edge_bert.text import make_printable, one_line

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
NO_ROOM_BYTES = 64 * 1024  # what is left of a full disk: less than a block of a writer
ADVICE = {
    errno.EACCES: "may not be read or written by this user; change its mode, or run as its owner",
    errno.EPERM: "may not be changed by this user; change its mode, or run as its owner",
    errno.EROFS: "is on a disk that cannot be written; choose another place",
    errno.ENAMETOOLONG: "has a name that is too long for this disk; give a shorter one",
    errno.ELOOP: "is a link where a file must be, or links in a circle; remove the link",
    errno.ENOENT: "is not there; another process may have removed it, so try again",
    errno.ENOTDIR: "needs a folder where a file is; give another path",
    errno.EISDIR: "is a folder where a file must be; give another path",
    errno.EFBIG: "would grow larger than this shell lets files be; raise `ulimit -f`",
    errno.EMFILE: "is one open file more than this shell allows; raise `ulimit -n`",
    errno.ENOMEM: "needs more memory than there is; close other programs",
    errno.EIO: "cannot be read or written: its disk is damaged or gone",
}


def is_full(error: OSError) -> bool:
    """Whether there was no room: a full disk, a quota, or a limit on the size of files."""
    return error.errno in (*FULL, errno.EFBIG)


def lacks_room(folder: Path) -> bool:
    """Whether the disk of `folder` is full right now."""
    try:
        return shutil.disk_usage(folder).free < NO_ROOM_BYTES
    except OSError:
        return False


def tell_full(place: Path, error: OSError, instead: str = "") -> str:
    """A line about `place`, where there was no room; `instead` says where else to work."""
    where = f", or {instead}" if instead else ""
    if error.errno == errno.EFBIG:
        return f"A file in {place} {ADVICE[errno.EFBIG]}{where}."
    return f"The disk of {place} is full; free some space there{where}."


def name_temp_folder(folder: Path) -> str:
    """How to work elsewhere than in `folder`, if it is the system's for temporary files."""
    return "point TMPDIR to another folder" if folder == Path(tempfile.gettempdir()) else ""


@contextlib.contextmanager
def faults_told(kind: type[InputError]) -> Iterator[None]:
    """What the system refuses in the block, or in the function that this decorates, as `kind`."""
    try:
        yield
    except OSError as error:
        raise kind(str(describe_os_error(error))) from error


def describe_os_error(error: OSError) -> InputError:
    """The error as one line for users, with the file that it is about where that is known."""
    name = error.filename if isinstance(error.filename, str | bytes) else None
    if name is None:
        return InputError(f"{one_line(error.strerror or error)}: {_advise_nameless(error)}.")
    shown = _shorten_name(os.fsdecode(name))
    if error.errno in FULL:
        return InputError(tell_full(Path(shown), error))
    advice = ADVICE.get(error.errno or 0)
    said = one_line(error.strerror or error)
    return InputError(f"{shown}: {said}; it {advice}." if advice else f"{shown}: {said}.")


def _advise_nameless(error: OSError) -> str:
    if error.errno in FULL:
        return "free some space on the disks of the output, the cache and TMPDIR"
    return ADVICE.get(error.errno or 0, "try again").rpartition("; ")[2]


def _shorten_name(name: str) -> str:
    """A path of any length, its end left out."""
    return make_printable(name if len(name) <= 200 else f"{name[:200]}...")
