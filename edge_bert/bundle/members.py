"""A bundle's JSON files: read bounded and checked, written atomically."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edge_bert.errors import DataError
from edge_bert.store import content_store
from edge_bert.store.open_file import NotRegularError, OpenFolder, open_regular
from edge_bert.store.sealed_json import seal_json, unseal_json

MAX_BYTES = 64 * 1024 * 1024
REASON_LENGTH = 200
Content = TypeVar("Content")


class _Version(msgspec.Struct):
    """The one field that every format version of a member has."""

    format_version: int


@dataclass(frozen=True)
class JsonMember(Generic[Content]):
    """A kind of JSON file in a bundle, read into `record`.

    `remedy` says how to get a sound file, such as "measure again". `version` is the format version
    that this edge-bert reads; None for a file without one. A `sealed` file ends with its checksum.
    """

    record: type[Content]
    remedy: str
    version: int | None = None
    max_bytes: int = MAX_BYTES
    sealed: bool = False

    def read(self, path: Path, folder: OpenFolder | None = None) -> Content:
        """The record in `path`, a regular file; of the open `folder` where one is given.

        Raises DataError, with the path and the remedy in one line, where the file is missing,
        damaged, too large or of another format version.
        """
        return self.decode(self._read_bounded(path, folder), path)

    def decode(self, data: bytes, path: Path) -> Content:
        """As `read`, of the bytes of the file at `path`."""
        try:
            if self.version is not None:
                self._check_version(msgspec.json.decode(data, type=_Version), path)
            content = unseal_json(data) if self.sealed else data
            return msgspec.json.decode(content, type=self.record)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:REASON_LENGTH]
            raise DataError(f"{path} is damaged ({reason}); {self.remedy}.") from error

    def write(self, content: Content, path: Path) -> None:
        """Write `content` as indented JSON; a reader sees the old file or all of the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content_store.write_atomic(path, self.encode(content))

    def encode(self, content: Content) -> bytes:
        """The bytes of a file with `content`."""
        return seal_json(content) if self.sealed else content_store.encode_json(content)

    def _read_bounded(self, path: Path, folder: OpenFolder | None) -> bytes:
        try:
            file = open_regular(path) if folder is None else folder.open_file(path.name)
            data = file.read(self.max_bytes)
        except (FileNotFoundError, NotADirectoryError, NotRegularError) as error:
            raise DataError(f"{path} is missing or no regular file; {self.remedy}.") from error
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror}); make it readable, or {self.remedy}."
            ) from error
        if len(data) > self.max_bytes:
            raise DataError(f"{path} is larger than {self.max_bytes} bytes; {self.remedy}.")
        return data

    def _check_version(self, header: _Version, path: Path) -> None:
        if header.format_version != self.version:
            raise DataError(
                f"{path} has format version {header.format_version}, this edge-bert reads "
                f"{self.version}; {self.remedy}."
            )
