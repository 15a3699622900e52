"""Arrays in the cache: what is there is whole, or computed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_bert.errors import InputError
from edge_bert.store.array_folder import BOUND, DIGESTS, fetch_arrays
from edge_bert.store.held_folder import LOCK
from tests.full_disk import mounted_disk
from tests.one_line import refused

OUTPUT, HIDDEN = np.arange(12, dtype=np.float32).reshape(4, 3), np.ones((9, 5), np.float16)
Damage = Callable[[Path], object]


class Filler:
    """Writes two arrays, and counts how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, folder: Path) -> None:
        self.count += 1
        np.save(folder / "output.npy", OUTPUT)
        np.save(folder / "hidden.3.npy", HIDDEN)


def fetch(folder: Path, fill: Callable[[Path], None], most_bytes: int = 10**6) -> None:
    """Fetch them, and look at each value."""
    arrays = fetch_arrays(folder, fill, "asking a teacher", most_bytes)
    assert set(arrays) == {"output", "hidden.3"}
    np.testing.assert_array_equal(arrays["output"], OUTPUT)
    np.testing.assert_array_equal(arrays["hidden.3"], HIDDEN)
    assert isinstance(arrays["hidden.3"], np.memmap)
    assert arrays["hidden.3"].dtype == np.float16


def flip(path: Path, place: int) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


def test_computed_once(tmp_path: Path) -> None:
    """Then read from the disk."""
    fill = Filler()
    for _ in range(3):
        fetch(tmp_path / "key", fill)
    assert fill.count == 1


DAMAGES: dict[str, Damage] = {
    "a value": lambda folder: flip(folder / "output.npy", -1),
    "a shape": lambda folder: flip(folder / "output.npy", 60),
    "cut short": lambda folder: (folder / "hidden.3.npy").write_bytes(b"\x93NUMPY"),
    "empty": lambda folder: (folder / "hidden.3.npy").write_bytes(b""),
    "missing": lambda folder: (folder / "output.npy").unlink(),
    "one more": lambda folder: np.save(folder / "hidden.4.npy", HIDDEN),
    "killed before its end": lambda folder: (folder / DIGESTS).unlink(),
    "no digests": lambda folder: (folder / DIGESTS).write_bytes(b"[]"),
    "other digests": lambda folder: flip(folder / DIGESTS, 30),
    "bound to nothing": lambda folder: (folder / BOUND).unlink(),
    "bound to others": lambda folder: flip(folder / BOUND, 5),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_not_whole_is_computed_again(damage: Damage, tmp_path: Path) -> None:
    """Nothing of it is used, and what comes of it is whole."""
    fill, folder = Filler(), tmp_path / "key"
    fetch(folder, fill)
    damage(folder)
    fetch(folder, fill)
    assert fill.count == 2
    fetch(folder, fill)
    assert fill.count == 2


def test_the_arrays_of_another_key_are_computed_again(tmp_path: Path) -> None:
    """A whole folder under another name is not what it is called."""
    fill = Filler()
    fetch(tmp_path / "other", fill)
    (tmp_path / "other").rename(tmp_path / "key")
    fetch(tmp_path / "key", fill)
    assert fill.count == 2


def test_the_longest_unused_go(tmp_path: Path) -> None:
    """Where there is more than may be."""
    for name in ("first", "second", "third"):
        fetch(tmp_path / name, Filler(), 1200)
    assert not (tmp_path / "first").exists()
    assert (tmp_path / "third").is_dir()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """One line, and no part of an array stays."""
    with mounted_disk(tmp_path, "8k") as disk:

        def fill(folder: Path) -> None:
            np.save(folder / "output.npy", OUTPUT)
            (folder / "hidden.3.npy").write_bytes(bytes(9000))

        with refused(InputError, r"No space left on device.*EDGE_BERT_CACHE"):
            fetch(disk / "key", fill)
        assert [path.name for path in (disk / "key").iterdir()] == [LOCK]
