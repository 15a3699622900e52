"""The one way to read and write what lies beside a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_bert.bundle.members import JsonMember
from edge_bert.errors import DataError
from edge_bert.records.base import Record
from tests.one_line import refused


class Sample(Record, frozen=True):
    """A record with a format version."""

    format_version: int
    text: str = ""


MEMBER = JsonMember(Sample, "make it again", version=2, max_bytes=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "sample.json"


def test_what_is_written_is_read(path: Path) -> None:
    """The folder is made, and nothing but the file is left in it."""
    for text in ("first", "second"):
        MEMBER.write(Sample(2, text), path)
        assert MEMBER.read(path) == Sample(2, text)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"format_version": 1, "words": ""}', "format version 1, this edge-bert reads 2"),
        (b'{"format_version": 3}', "format version 3, this edge-bert reads 2"),
        (b'{"format_version": 2, "other": 1}', "damaged"),
        (b'{"format_version": 2, "text": 1}', "damaged"),
        (b'{"format_version": "2"}', "damaged"),
        (b"{}", "damaged"),
        (b"", "damaged"),
        (b"[" * 100, "damaged"),
        (b"\xff", "damaged"),
        (b" " * 101, "larger than 100 bytes"),
    ],
)
def test_what_cannot_be_read_is_one_line(content: bytes, reason: str, path: Path) -> None:
    """It names the file and says what to do."""
    path.parent.mkdir()
    path.write_bytes(content)
    with refused(DataError, f"{re.escape(str(path))}.*{reason}.*; make it again"):
        MEMBER.read(path)


def test_a_member_without_a_version(path: Path) -> None:
    """Its version is not looked at."""
    MEMBER.write(Sample(7), path)
    assert JsonMember(Sample, "make it again").read(path) == Sample(7)


def link_to_a_file(path: Path) -> None:
    MEMBER.write(Sample(2, "elsewhere"), path.with_name("elsewhere.json"))
    path.symlink_to("elsewhere.json")


@pytest.mark.parametrize("make", [Path.exists, os.mkfifo, Path.mkdir, link_to_a_file])
def test_what_is_no_regular_file(make: Callable[[Path], object], path: Path) -> None:
    """No file at all, a pipe, which would wait for a writer, a folder, and a link."""
    path.parent.mkdir()
    make(path)
    with refused(DataError, "missing or no regular file; make it again"):
        MEMBER.read(path)
