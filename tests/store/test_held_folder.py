"""Folders that one process at a time works in, and that go when they are too many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_bert.errors import BusyError, InputError
from edge_bert.store.held_folder import LOCK, hold_folder, trim_folders
from tests.full_disk import mounted_disk
from tests.one_line import refused


def fill(root: Path, name: str, age_s: int, size: int = 1000) -> Path:
    """A folder that was used so many seconds ago."""
    folder = root / name
    with hold_folder(folder, "filling"):
        (folder / "data").write_bytes(bytes(size))
    os.utime(folder, (10**9 - age_s, 10**9 - age_s))
    return folder


def test_a_second_one_is_told_what_goes_on(tmp_path: Path) -> None:
    """And the folder is free afterwards."""
    folder = tmp_path / "run"
    with (
        hold_folder(folder, "training"),
        refused(BusyError, "Another process is training in .*run; wait until it ends"),
        hold_folder(folder, "training"),
    ):
        pass
    with hold_folder(folder, "training"):
        assert folder.is_dir()


def test_what_a_kill_left_half_written_goes(tmp_path: Path) -> None:
    """And nothing else."""
    folder = fill(tmp_path, "run", 0)
    (folder / ".writing-abc").write_bytes(b"half")
    with hold_folder(folder, "training"):
        assert {path.name for path in folder.iterdir()} == {LOCK, "data"}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """One line."""
    (tmp_path / "run").write_text("in the way")
    with refused(InputError, "run cannot be written"), hold_folder(tmp_path / "run", "training"):
        pass


def test_a_disk_that_is_read_only_is_named(tmp_path: Path) -> None:
    """Root may write everywhere else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with (
        mounted_disk(disk, "24k", ",ro"),
        refused(InputError, "Read-only file system.*EDGE_BERT_CACHE"),
        hold_folder(disk / "run", "training"),
    ):
        pass


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    """Down to the bytes that may stay. The last one, what is held and what is not ours stays."""
    old, middle, new = (fill(tmp_path, name, age) for name, age in (("a", 9), ("c", 5), ("b", 1)))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis").write_bytes(bytes(9000))
    trim_folders(tmp_path, 3000)
    assert all(path.is_dir() for path in (old, middle, new))
    with hold_folder(old, "training"):
        os.utime(old, (1, 1))
        trim_folders(tmp_path, 1500)
        assert (old.is_dir(), middle.is_dir(), new.is_dir()) == (True, False, True)
    trim_folders(tmp_path, 0)
    assert sorted(tmp_path.iterdir()) == [new, mine]


def test_a_folder_of_several_is_one(tmp_path: Path) -> None:
    """As large as all in it, as old as the youngest, and held where one of them is."""
    new = fill(tmp_path, "new", 1)
    steps = [fill(tmp_path / "pruning", f"step-{number}", 100 - number) for number in (1, 2)]
    os.utime(tmp_path / "pruning", (1, 1))
    with hold_folder(steps[0], "training"):
        trim_folders(tmp_path, 2500)  # it is the last used one now
        assert (steps[1].is_dir(), new.is_dir()) == (True, False)
    fill(tmp_path, "new", -(10**9))
    with hold_folder(steps[0], "training"):
        os.utime(steps[0], (1, 1))
        trim_folders(tmp_path, 0)
        assert steps[1].is_dir()
    os.utime(steps[0], (1, 1))
    trim_folders(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["absent", "file"])
def test_no_folder_has_nothing_to_remove(tmp_path: Path, name: str) -> None:
    """It is no error."""
    (tmp_path / "file").write_text("")
    trim_folders(tmp_path / name, 0)
