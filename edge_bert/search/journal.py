"""A journal of evaluations, one JSON line each, from which an interrupted run goes on.

The first line names the problem; each further one is a key and a value. A line is appended with
one write and synced, so that only the last one can be torn; the next run cuts it off.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.store.in_use import share_folder
from edge_bert.store.locks import hold_lock

FORMAT_VERSION = 1
Value = TypeVar("Value")


class _Header(Record, frozen=True):
    journal: int
    problem: str


class _Line(Record, frozen=True):
    key: str
    value: msgspec.Raw


class Journal(Generic[Value]):
    """An open journal. `values` has the last value of each key; write with `record`."""

    def __init__(self, path: Path, handle: int, values: dict[str, Value]) -> None:
        self.path = path
        self.values = values
        self._handle = handle

    def record(self, key: str, value: Value) -> None:
        """Keep `value` under `key`: on disk when this returns."""
        line = _Line(key=key, value=msgspec.Raw(msgspec.json.encode(value)))
        _append(self.path, self._handle, msgspec.json.encode(line) + b"\n")
        self.values[key] = value


@contextlib.contextmanager
def open_journal(path: Path, problem: str, kind: type[Value]) -> Iterator[Journal[Value]]:
    """The journal of `problem` at `path`, created if absent; its values are of `kind`.

    Raises InputError for the journal of another problem and for a damaged one, BusyError while
    another process has it open.
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
        yield Journal(path, handle, _read_values(path, handle, problem, kind))


def _read_values(path: Path, handle: int, problem: str, kind: type[Value]) -> dict[str, Value]:
    """The values in the journal, after cutting off a torn line and writing an absent header."""
    header = msgspec.json.encode(_Header(journal=FORMAT_VERSION, problem=problem)) + b"\n"
    data = path.read_bytes()
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
            values[line.key] = msgspec.json.decode(line.value, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise InputError(
                f"{path}:{number}: the line is damaged; remove it, or the file to begin anew."
            ) from None
    return values


def _check_header(path: Path, line: bytes, problem: str) -> None:
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InputError(f"{path} is no journal of a search; give another path.") from None
    if header.journal != FORMAT_VERSION or header.problem != problem:
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
