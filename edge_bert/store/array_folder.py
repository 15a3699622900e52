"""Arrays that took long to compute, in a folder of the cache: whole, or computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.errors import InputError
from edge_bert.store.content_store import LONGEST_WAIT_S, key_of, write_atomic
from edge_bert.store.held_folder import LOCK, hold_folder, trim_folders

DIGESTS = "digests.json"
BOUND = "bound"  # the SHA-256 of the folder's name and its digests


def fetch_arrays(
    folder: Path, fill: Callable[[Path], None], work: str, most_bytes: int
) -> Mapping[str, npt.NDArray[Any]]:
    """The arrays in `folder` by name, read as they are needed.

    `fill` writes them there as NAME.npy where they are missing, cut short, changed or another
    folder's: what is there is held to its SHA-256, and to the folder's name. Of several processes
    one fills the folder, doing `work`; the others wait. The folders beside it that were longest
    unused go where all have more than `most_bytes`. Raises InputError where the folder cannot be
    written.
    """
    with hold_folder(folder, work, wait_s=LONGEST_WAIT_S):
        if not _is_whole(folder):
            _fill_folder(folder, fill)
        arrays: dict[str, npt.NDArray[Any]] = {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False)
            for path in sorted(folder.glob("*.npy"))
        }
    trim_folders(folder.parent, most_bytes)
    return arrays


def _fill_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill an empty folder; the digests, which come last, say that it is whole."""
    try:
        _empty_folder(folder)
        fill(folder)
        digests = {path.name: _digest_file(path) for path in folder.glob("*.npy")}
        data = msgspec.json.encode(digests)
        write_atomic(folder / BOUND, key_of(folder.name, data.decode()).encode())
        write_atomic(folder / DIGESTS, data, flush=True)
    except OSError as error:
        _empty_folder(folder)
        raise InputError(
            f"{folder.parent} cannot be written ({error.strerror}); make room there, or point "
            "EDGE_BERT_CACHE to another folder."
        ) from error


def _is_whole(folder: Path) -> bool:
    try:
        data = (folder / DIGESTS).read_bytes()
        if key_of(folder.name, data.decode()).encode() != (folder / BOUND).read_bytes():
            return False
        digests = msgspec.json.decode(data, type=dict[str, str])
        present = {path.name: _digest_file(path) for path in folder.glob("*.npy")}
    except (OSError, ValueError, msgspec.MsgspecError):
        return False
    return present == digests


def _empty_folder(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != LOCK:
            path.unlink()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
