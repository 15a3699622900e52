"""The journal: torn lines, other problems, two writers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert.errors import BusyError, InputError
from edge_bert.search import journal
from tests.one_line import refused

VALUES = {"a": 1, "b": 2, "c": 3}


def write(path: Path) -> bytes:
    """A journal with `VALUES`; its bytes."""
    with journal.open_journal(path, "problem", int) as kept:
        for key, value in VALUES.items():
            kept.record(key, value)
    return path.read_bytes()


def known(path: Path) -> dict[str, int]:
    """What the journal at `path` has."""
    with journal.open_journal(path, "problem", int) as kept:
        return dict(kept.values)


def test_what_is_recorded_is_known(tmp_path: Path) -> None:
    """Also the next time; the last value of a key counts."""
    path = tmp_path / "folder" / "journal.jsonl"
    write(path)
    with journal.open_journal(path, "problem", int) as kept:
        assert kept.values == VALUES
        kept.record("a", 10)
        assert kept.values["a"] == 10
    assert known(path) == VALUES | {"a": 10}


def test_on_disk_when_recorded(tmp_path: Path) -> None:
    """Each value is a whole line before anything else happens."""
    path = tmp_path / "journal.jsonl"
    with journal.open_journal(path, "problem", int) as kept:
        kept.record("a", 1)
        assert b'\n{"key":"a","value":1,"checksum":"' in path.read_bytes()
        assert path.read_bytes().endswith(b'"}\n')


def test_cut_anywhere(tmp_path: Path) -> None:
    """Whatever is cut off, the whole lines are known, and the next line is whole."""
    path = tmp_path / "journal.jsonl"
    whole = write(path)
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        lines = max(whole[:length].count(b"\n") - 1, 0)
        assert known(path) == dict(list(VALUES.items())[:lines]), length
        with journal.open_journal(path, "problem", int) as kept:
            kept.record("d", 4)
        assert known(path)["d"] == 4


def test_another_problem(tmp_path: Path) -> None:
    """Refused, and left as it is."""
    path = tmp_path / "journal.jsonl"
    data = write(path) + b"torn"
    path.write_bytes(data)
    with refused(InputError, "another search"), journal.open_journal(path, "another", int):
        pass
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"my notes", b"my notes\nof today\n", b"\n", b"{}\n", b"\xff\n"])
def test_a_file_that_is_no_journal(tmp_path: Path, data: bytes) -> None:
    """A user's file is refused, never cut or appended to."""
    path = tmp_path / "notes.txt"
    path.write_bytes(data)
    with refused(InputError, "no journal"), journal.open_journal(path, "problem", int):
        pass
    assert path.read_bytes() == data


OTHER = b'{"key":"a","value":10,"checksum":"'


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"\xff\xfe", b'{"key":"a","value":10}', b"[", OTHER + b"0" * 32 + b'"}']
)
def test_a_damaged_line(tmp_path: Path, line: bytes) -> None:
    """Said by its number and left out, whatever it holds; the others are known."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(write(path) + line + b"\n")
    told: list[str] = []
    with journal.open_journal(path, "problem", int, told.append) as kept:
        assert kept.values == VALUES
        kept.record("d", 4)
    (line_told,) = told
    assert re.search(r"journal\.jsonl:5: the line is damaged and left out", line_told)
    assert known(path) == VALUES | {"d": 4}


def test_a_flipped_bit_is_never_taken(tmp_path: Path) -> None:
    """Every byte of every line that has a value: what is known is true."""
    path = tmp_path / "journal.jsonl"
    whole = write(path)
    start = whole.index(b"\n") + 1
    for place in range(start, len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        assert known(path).items() < VALUES.items(), place


def test_a_line_of_another_journal(tmp_path: Path) -> None:
    """Its checksum is right, and over another problem."""
    path, other = tmp_path / "journal.jsonl", tmp_path / "other.jsonl"
    with journal.open_journal(other, "another", int) as kept:
        kept.record("a", 10)
    path.write_bytes(write(path) + other.read_bytes().splitlines(keepends=True)[1])
    assert known(path) == VALUES


def test_a_journal_of_an_old_version(tmp_path: Path) -> None:
    """It says that it is old, and what to do."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"journal":1,"problem":"problem"}\n{"key":"a","value":1}\n')
    with refused(InputError, "format version 1, this edge-bert reads 2.*begin anew"):
        known(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_damage(tmp_path: Path, data: st.DataObject) -> None:
    """What is read was written, or the file is refused in one line."""
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    content = bytearray(write(path))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        values = known(path)
    except InputError:
        with refused(InputError):
            known(path)
    else:
        assert values.items() <= VALUES.items()


def test_a_pipe_is_no_journal(tmp_path: Path) -> None:
    """It would be waited for without end."""
    os.mkfifo(tmp_path / "journal.jsonl")
    with refused(InputError, "no journal"):
        known(tmp_path / "journal.jsonl")


def test_one_at_a_time(tmp_path: Path) -> None:
    """A second search of the same journal is told to wait; afterwards it may."""
    path = tmp_path / "journal.jsonl"
    with (
        journal.open_journal(path, "problem", int),
        refused(BusyError, "another search is writing"),
        journal.open_journal(path, "problem", int),
    ):
        pass
    assert known(path) == {}


def test_a_place_that_is_none(tmp_path: Path) -> None:
    """A folder where the journal should be, or a file where its folder should be."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "journal.jsonl"):
        with refused(InputError, "give another path"), journal.open_journal(path, "problem", int):
            pass
