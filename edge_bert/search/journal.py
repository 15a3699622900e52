"""A journal of evaluations, one JSON line each, from which an interrupted run goes on.

The first line names the problem; each further one is a key, a value and a checksum over both and
the problem. A line is appended with one write and synced, so that only the last one can be torn;
the next run cuts it off. A line that was changed is left out, so that it is evaluated again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edge_bert.errors import InputError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.store.in_use import share_folder
from edge_bert.store.locks import hold_lock

FORMAT_VERSION = 2
CHECKSUM_LETTERS = 32
Value = TypeVar("Value")


class _Header(Record, frozen=True):
    journal: int
    problem: str


class _Line(Record, frozen=True):
    key: str
    value: msgspec.Raw
    checksum: str


class Journal(Generic[Value]):
    """An open journal. `values` has the last value of each key; write with `record`."""

    def __init__(self, path: Path, problem: str, handle: int, values: dict[str, Value]) -> None:
        self.path = path
        self._problem = problem
        self.values = values
        self._handle = handle

    def record(self, key: str, value: Value) -> None:
        """Keep `value` under `key`: on disk when this returns."""
        data = msgspec.json.encode(value)
        line = _Line(key, msgspec.Raw(data), _checksum(self._problem, key, data))
        _append(self.path, self._handle, msgspec.json.encode(line) + b"\n")
        self.values[key] = value


@contextlib.contextmanager
def open_journal(
    path: Path, problem: str, kind: type[Value], progress: Progress = no_progress
) -> Iterator[Journal[Value]]:
    """The journal of `problem` at `path`, created if absent; its values are of `kind`.

    `progress` is told of lines that are damaged and left out. Raises InputError for the journal of
    another problem or version, BusyError while another process has it open.
    """
    busy = f"{path}: another search is writing here; wait until it ends."
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            share_folder(path.parent)
            stack.enter_context(hold_lock(path.with_name(f"{path.name}.lock"), busy))
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; give another path.") from error
        stack.callback(os.close, handle)
        values = _read_values(path, handle, problem, kind, progress)
        yield Journal(path, problem, handle, values)


def _read_values(
    path: Path, handle: int, problem: str, kind: type[Value], progress: Progress
) -> dict[str, Value]:
    """The values in the journal, after cutting off a torn line and writing an absent header."""
    header = msgspec.json.encode(_Header(journal=FORMAT_VERSION, problem=problem)) + b"\n"
    data = _read_all(path, handle)
    complete = data[: data.rfind(b"\n") + 1]
    first, *lines = complete.split(b"\n")[:-1] or [b""]
    if complete or not header.startswith(data):  # checked first: it may be a file of the user's own
        _check_header(path, first, problem)
    if len(complete) < len(data):
        os.ftruncate(handle, len(complete))
    if not complete:
        _append(path, handle, header)
    values: dict[str, Value] = {}
    for number, text in enumerate(lines, start=2):
        try:
            line = msgspec.json.decode(text, type=_Line)
            if _checksum(problem, line.key, bytes(line.value)) != line.checksum:
                raise ValueError("the checksum is another line's")
            values[line.key] = msgspec.json.decode(line.value, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            progress(f"{path}:{number}: the line is damaged and left out; it is evaluated again")
    return values


def _read_all(path: Path, handle: int) -> bytes:
    """The bytes of the file that is open, and no other's that takes its name."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise InputError(f"{path} is no journal of a search; give another path.")
    with os.fdopen(os.dup(handle), "rb") as stream:
        stream.seek(0)
        return stream.read()


def _checksum(problem: str, key: str, value: bytes) -> str:
    """Of a line: over the problem too, so that no line of another journal is taken."""
    digest = hashlib.sha256()
    for part in (problem.encode(), key.encode(), value):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:CHECKSUM_LETTERS]


def _check_header(path: Path, line: bytes, problem: str) -> None:
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InputError(f"{path} is no journal of a search; give another path.") from None
    if header.journal != FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {header.journal}, this edge-bert reads {FORMAT_VERSION}; "
            "give another path, or remove it to begin anew."
        )
    if header.problem != problem:
        raise InputError(
            f"{path} is the journal of another search (its model, data, device or code differ); "
            "give another path, or remove it to begin anew."
        )


def _append(path: Path, handle: int, data: bytes) -> None:
    try:
        if os.write(handle, data) != len(data):
            raise InputError(f"{path}: the disk is full; free some space.")
        os.fsync(handle)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; what is in it is kept.") from error
