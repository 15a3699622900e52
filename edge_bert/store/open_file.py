"""Files opened as what they are: regular, no link, and the same file until they are closed."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import weakref
from io import BufferedReader
from pathlib import Path

FLAGS, FOLDER_FLAGS = os.O_RDONLY, os.O_RDONLY
for _name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):  # a pipe waits for no writer
    FLAGS |= getattr(os, _name, 0)
for _name in ("O_DIRECTORY", "O_CLOEXEC"):
    FOLDER_FLAGS |= getattr(os, _name, 0)
PIECE_BYTES = 1 << 20
REFUSES_LINKS = hasattr(os, "O_NOFOLLOW")
OPEN_FILES = Path("/dev/fd")  # of this process, on Linux and macOS
# Elsewhere an open file would keep a build from taking the folder's place.
HOLDS_FILES = os.open in os.supports_dir_fd and OPEN_FILES.is_dir()


class NotRegularError(OSError):
    """What is opened is a link, a folder, a pipe or a device."""


class OpenFile:
    """A regular file held open at `path`, closed with the object; whatever takes its name later,
    this is the file."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        weakref.finalize(self, os.close, handle)
        self._opened = os.fstat(handle)

    @property
    def status(self) -> os.stat_result:
        """Its status now."""
        return os.fstat(self._handle)

    def is_unchanged(self) -> bool:
        """Whether nobody has written to it since it was opened."""
        now = self.status
        return (now.st_size, now.st_mtime_ns) == (self._opened.st_size, self._opened.st_mtime_ns)

    @property
    def open_path(self) -> str:
        """A path of the open file itself, where the system has one."""
        return f"{OPEN_FILES}/{self._handle}" if HOLDS_FILES else str(self.path)

    def open_stream(self) -> BufferedReader:
        """A stream of it from its first byte; one at a time, for streams share their place."""
        stream = os.fdopen(os.dup(self._handle), "rb")
        stream.seek(0)
        return stream

    def read(self, most_bytes: int) -> bytes:
        """All of it, or one byte more than `most_bytes` of a larger one."""
        # A stream that is asked for gigabytes allocates them, whatever the file has.
        size = min(self.status.st_size, most_bytes) + 1
        with self.open_stream() as stream:
            data = stream.read(size)
            while data and len(data) >= size <= most_bytes:  # it has more than the system says
                size = min(2 * size + PIECE_BYTES, most_bytes + 1)
                data += stream.read(size - len(data))
            return data

    def digest(self) -> str:
        """Its SHA-256."""
        with self.open_stream() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def copy_to(self, path: Path) -> str:
        """Write its bytes to a new file at `path`; the SHA-256 of what was written."""
        written = hashlib.sha256()
        with self.open_stream() as stream, path.open("xb") as copy:
            while piece := stream.read(PIECE_BYTES):
                written.update(piece)
                copy.write(piece)
        return written.hexdigest()


def open_regular(path: Path, folder: int | None = None) -> OpenFile:
    """The regular file at `path`, which is relative to the open `folder` where one is given.

    Raises NotRegularError for anything else, OSError where it cannot be opened.
    """
    try:
        before = os.stat(path, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(before.st_mode):
            raise NotRegularError(errno.EINVAL, "it is no regular file", str(path))
        handle = os.open(path, FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:  # it became a link after the look at it
            raise NotRegularError(errno.EINVAL, "it is no regular file", str(path)) from error
        raise
    file = OpenFile(path, handle)
    followed = not REFUSES_LINKS and not os.path.samestat(before, file.status)
    if followed or not stat.S_ISREG(file.status.st_mode):
        raise NotRegularError(errno.EINVAL, "it is no regular file", str(path))
    return file


class OpenFolder:
    """A folder held open, so that its files are of one folder whatever takes its name.

    Where the system cannot open a folder, its files are opened by path, and `is_current` says
    whether another folder has taken its place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        if HOLDS_FILES:
            self._handle = os.open(path, FOLDER_FLAGS)
            weakref.finalize(self, os.close, self._handle)
        self._status = path.stat() if self._handle is None else os.fstat(self._handle)

    def open_file(self, name: str) -> OpenFile:
        """The regular file `name` in it. Raises as `open_regular`."""
        if self._handle is None:
            return open_regular(self.path / name)
        return open_regular(Path(name), self._handle)

    def is_current(self) -> bool:
        """Whether its path still leads to it."""
        try:
            return os.path.samestat(self.path.stat(), self._status)
        except OSError:
            return False
