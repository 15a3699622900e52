"""The one way to read and write what lies beside a manifest, and to know a proven file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_bert.bundle.members import JsonMember, ProvenFile, file_matches, require_proven
from edge_bert.errors import DataError, InputError
from edge_bert.records.base import Record
from edge_bert.store.digest import sha256_hex
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


@pytest.mark.parametrize("make", [Path.exists, os.mkfifo, Path.mkdir])
def test_what_is_no_regular_file(make: Callable[[Path], object], path: Path) -> None:
    """No file at all, a pipe, which would wait for a writer, and a folder."""
    path.parent.mkdir()
    make(path)
    assert not file_matches(path, "0" * 64)
    with refused(DataError, "missing or no regular file; make it again"):
        MEMBER.read(path)
    with refused(InputError, "is missing; build the bundle again"):
        require_proven(path, "0" * 64)


def test_the_proven_file_is_known_by_its_digest(path: Path) -> None:
    """One changed byte makes it another file."""
    path.parent.mkdir()
    path.write_bytes(b"proven")
    digest = sha256_hex(b"proven")
    assert file_matches(path, digest)
    assert require_proven(path, digest) == path
    path.write_bytes(b"Proven")
    assert not file_matches(path, digest)
    with refused(InputError, "not the file that was proven; build the bundle again"):
        require_proven(path, digest)


def test_a_proven_file_stays_what_it_was(tmp_path: Path) -> None:
    """Another file under the same name, or none, is not what gets mapped."""
    path = tmp_path / "model"
    path.write_bytes(b"proven")
    file = ProvenFile(path, sha256_hex(b"proven"))
    (tmp_path / "other").write_bytes(b"other!")
    (tmp_path / "other").replace(path)
    assert Path(file.mappable_path).read_bytes() == b"proven"
    with refused(InputError, "not the file that was proven"):
        ProvenFile(path, sha256_hex(b"proven"))
    path.unlink()
    assert Path(file.mappable_path).read_bytes() == b"proven"
    with refused(InputError, "missing"):
        ProvenFile(path, sha256_hex(b"proven"))


def test_a_proven_file_is_closed_with_its_object(tmp_path: Path) -> None:
    """Opening bundles again and again leaks no file."""
    path = tmp_path / "model"
    path.write_bytes(b"proven")
    first = ProvenFile(path, sha256_hex(b"proven")).mappable_path
    assert all(ProvenFile(path, sha256_hex(b"proven")).mappable_path == first for _ in range(50))
