"""A bundle's members: read bounded and checked, written atomically, held to their digest."""

from __future__ import annotations

import hashlib
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edge_bert.errors import DataError, InputError
from edge_bert.store import content_store

MAX_BYTES = 64 * 1024 * 1024
REASON_LENGTH = 200
OPEN_FILES = Path("/dev/fd")  # of this process, on Linux and macOS
Content = TypeVar("Content")


class _Version(msgspec.Struct):
    """The one field that every format version of a member has."""

    format_version: int


@dataclass(frozen=True)
class JsonMember(Generic[Content]):
    """A kind of JSON file in a bundle, read into `record`.

    `remedy` says how to get a sound file, such as "measure again". `version` is the format version
    that this edge-bert reads; None for a file without one.
    """

    record: type[Content]
    remedy: str
    version: int | None = None
    max_bytes: int = MAX_BYTES

    def read(self, path: Path) -> Content:
        """The record in `path`.

        Raises DataError, with the path and the remedy in one line, where the file is missing,
        damaged, too large or of another format version.
        """
        data = self._read_bounded(path)
        try:
            if self.version is not None:
                self._check_version(msgspec.json.decode(data, type=_Version), path)
            return msgspec.json.decode(data, type=self.record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:REASON_LENGTH]
            raise DataError(f"{path} is damaged ({reason}); {self.remedy}.") from error

    def write(self, content: Content, path: Path) -> None:
        """Write `content` as indented JSON; a reader sees the old file or all of the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content_store.write_atomic(path, content_store.encode_json(content))

    def _read_bounded(self, path: Path) -> bytes:
        try:
            if not path.is_file():  # a pipe would wait for a writer for ever
                raise DataError(f"{path} is missing or no regular file; {self.remedy}.")
            if path.stat().st_size > self.max_bytes:
                raise DataError(f"{path} is larger than {self.max_bytes} bytes; {self.remedy}.")
            return path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror}); make it readable, or {self.remedy}."
            ) from error

    def _check_version(self, header: _Version, path: Path) -> None:
        if header.format_version != self.version:
            raise DataError(
                f"{path} has format version {header.format_version}, this edge-bert reads "
                f"{self.version}; {self.remedy}."
            )


def file_matches(path: Path, sha256: str) -> bool:
    """Whether `path` is the verified file: a regular file with this SHA-256."""
    try:
        if not path.is_file():  # a pipe would wait for a writer for ever
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    except OSError:
        return False


class ProvenFile:
    """The verified file at `path`, kept open: what is mapped is what was hashed.

    Raises InputError where it is not the file of this SHA-256.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        if not path.is_file():
            raise InputError(f"{path} is missing; build the bundle again.")
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from error
        weakref.finalize(self, os.close, self._file)
        self._path = path
        if self._digest() != sha256:
            raise InputError(f"{path} is not the file that was proven; build the bundle again.")

    @property
    def mappable_path(self) -> str:
        """A path of the open file itself, where the system has one: no exchange leads it away."""
        return f"{OPEN_FILES}/{self._file}" if OPEN_FILES.is_dir() else str(self._path)

    def _digest(self) -> str:
        with os.fdopen(os.dup(self._file), "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def require_proven(path: Path, sha256: str) -> Path:
    """`path`. Raises InputError where it is not the verified file of this SHA-256."""
    if not path.is_file():
        raise InputError(f"{path} is missing; build the bundle again.")
    if not file_matches(path, sha256):
        raise InputError(f"{path} is not the file that was proven; build the bundle again.")
    return path
