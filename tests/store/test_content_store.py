"""The cache of built bytes: what is there is whole, or counts as missing."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import InputError
from edge_bert.store import content_store
from tests.full_disk import mounted_disk
from tests.waiting import wait_until

DATA = bytes(range(256)) * 40


class Maker:
    """Counts how often it was asked."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data, self.count = data, 0

    def __call__(self) -> bytes:
        self.count += 1
        return self.data


def test_made_once(tmp_path: Path) -> None:
    """The second fetch makes nothing; another key does."""
    make = Maker()
    assert [content_store.fetch_bytes(tmp_path, "a" * 64, make) for _ in range(3)] == [DATA] * 3
    assert make.count == 1
    content_store.fetch_bytes(tmp_path, "b" * 64, make)
    assert make.count == 2


def test_nothing_is_a_value_too(tmp_path: Path) -> None:
    """Empty bytes are stored and found; an empty file is not an entry."""
    make = Maker(b"")
    assert (
        content_store.fetch_bytes(tmp_path, "key", make)
        == content_store.fetch_bytes(tmp_path, "key", make)
        == b""
    )
    assert make.count == 1
    (tmp_path / "key").write_bytes(b"")
    content_store.fetch_bytes(tmp_path, "key", make)
    assert make.count == 2


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 33, 5000, len(DATA) + 31])
def test_an_entry_cut_short_is_made_again(tmp_path: Path, kept: int) -> None:
    """Never used, and mended."""
    make = Maker()
    content_store.fetch_bytes(tmp_path, "key", make)
    whole = (tmp_path / "key").read_bytes()
    (tmp_path / "key").write_bytes(whole[:kept])
    assert content_store.fetch_bytes(tmp_path, "key", make) == DATA
    assert make.count == 2
    assert (tmp_path / "key").read_bytes() == whole


@pytest.mark.parametrize("place", [0, 40, len(DATA) + 31])
def test_a_changed_byte_is_seen(tmp_path: Path, place: int) -> None:
    """In the digest or in the bytes."""
    make = Maker()
    content_store.fetch_bytes(tmp_path, "key", make)
    entry = bytearray((tmp_path / "key").read_bytes())
    entry[place] ^= 1
    (tmp_path / "key").write_bytes(entry)
    assert content_store.fetch_bytes(tmp_path, "key", make) == DATA
    assert make.count == 2


def test_a_maker_that_fails_stores_nothing(tmp_path: Path) -> None:
    """Its error comes through, and the folder stays empty."""
    with pytest.raises(ZeroDivisionError):
        content_store.fetch_bytes(tmp_path, "key", lambda: b"%d" % (1 // 0))
    assert list(tmp_path.iterdir()) == []


def race(folder: Path, start: object, number: int) -> None:
    """Fetch under one key with everyone else; fails if what comes is not whole."""
    start.wait()  # type: ignore[attr-defined]
    for turn in range(20):
        data = bytes([turn]) * 500_000
        assert content_store.fetch_bytes(folder, f"key{turn}", lambda data=data: data) == data
        if number == 0:
            (folder / f"key{turn}").unlink(missing_ok=True)


def test_makers_at_once(tmp_path: Path) -> None:
    """Four processes make, find and remove the same entries; each gets whole bytes."""
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(4)
    processes = [spawn.Process(target=race, args=(tmp_path, start, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert not list(tmp_path.glob(".writing-*"))


def slow_maker(folder: Path, name: str, *, waits: bool) -> None:
    """Fetch; the maker notes that it works, and then waits for a file called `go`."""

    def make() -> bytes:
        (folder / f"{name} makes").touch()
        wait_until(lambda: not waits or (folder / "go").exists())
        return DATA

    (folder / f"{name} asks").touch()
    assert content_store.fetch_bytes(folder / "store", "key", make) == DATA


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[BaseProcess]]:
    """A process in the middle of making an entry, and one that asks for the same entry."""
    (tmp_path / "store").mkdir()
    spawn = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = []
    for name, until in (("first", "first makes"), ("second", "second asks")):
        kwargs = {"waits": name == "first"}
        processes.append(spawn.Process(target=slow_maker, args=(tmp_path, name), kwargs=kwargs))
        processes[-1].start()
        wait_until((tmp_path / until).exists)
    yield processes
    for process in processes:
        process.kill()
        process.join()


def test_the_second_waits_and_takes_what_the_first_made(
    two: list[BaseProcess], tmp_path: Path
) -> None:
    """Nothing is made twice, and nothing stays but the entry."""
    two[1].join(1.0)  # time in which it would make one of its own
    assert two[1].is_alive()
    (tmp_path / "go").touch()
    for process in two:
        process.join(60)
    assert [process.exitcode for process in two] == [0, 0]
    assert not (tmp_path / "second makes").exists()
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["key"]


def test_a_maker_that_is_killed_blocks_no_one(two: list[BaseProcess], tmp_path: Path) -> None:
    """The one that waits makes the entry."""
    two[0].kill()
    two[1].join(60)
    assert two[1].exitcode == 0
    assert (tmp_path / "second makes").exists()
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["key"]


def test_a_maker_that_hangs_blocks_no_one_for_ever(
    two: list[BaseProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has waited long enough makes the entry beside it."""
    monkeypatch.setattr(content_store, "LONGEST_WAIT_S", 0.1)
    assert content_store.fetch_bytes(tmp_path / "store", "key", lambda: DATA) == DATA
    assert two[0].is_alive()


def test_an_entry_that_is_a_folder(tmp_path: Path) -> None:
    """One line that names it."""
    (tmp_path / "key").mkdir()
    with pytest.raises(InputError, match="key cannot be read"):
        content_store.fetch_bytes(tmp_path, "key", Maker())


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system with no room for an entry."""
    with mounted_disk(tmp_path, "8k") as disk:
        yield disk


def test_a_full_disk(full_disk: Path) -> None:
    """One line that says where the cache is and how to move it; no half entry."""
    with pytest.raises(InputError, match=r"No space left on device.*EDGE_BERT_CACHE"):
        content_store.fetch_bytes(full_disk, "key", Maker())
    assert list(full_disk.iterdir()) == []


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_keys_differ_where_parts_differ(first: list[str], second: list[str]) -> None:
    """Also where only the border between two parts moved."""
    assert (content_store.key_of(*first) == content_store.key_of(*second)) == (first == second)


def test_the_entry_of_another_key_is_made_again(tmp_path: Path) -> None:
    """Its own checksum is right, and over another key."""
    other, mine = Maker(b"other"), Maker(b"mine")
    content_store.fetch_bytes(tmp_path, "other", other)
    (tmp_path / "other").rename(tmp_path / "mine")
    assert content_store.fetch_bytes(tmp_path, "mine", mine) == b"mine"
    assert mine.count == 1


@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_an_entry_that_others_may_write_is_made_again(mode: int, tmp_path: Path) -> None:
    """And is then nobody else's."""
    make = Maker()
    content_store.fetch_bytes(tmp_path, "key", make)
    (tmp_path / "key").chmod(mode)
    content_store.fetch_bytes(tmp_path, "key", make)
    assert make.count == 2
    assert not (tmp_path / "key").stat().st_mode & 0o022


def test_an_entry_that_is_a_link(tmp_path: Path) -> None:
    """It is not followed."""
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="key cannot be read"):
        content_store.fetch_bytes(tmp_path, "key", Maker())
