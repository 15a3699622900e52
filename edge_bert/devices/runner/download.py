"""A file from the network whose sha256 is known beforehand, kept in the cache."""

from __future__ import annotations

import hashlib
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.store import cache
from edge_bert.store.scratch import scratch_folder

TIMEOUT_S = 60.0
MOST_BYTES = 64 * 1024**2
BLOCK_BYTES = 1024**2


@dataclass(frozen=True)
class PinnedFile:
    """Where a file is and which it must be."""

    address: str
    sha256: str

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]


def fetch_pinned(file: PinnedFile) -> Path:
    """The file in the cache's `downloads`, fetched if it is not there.

    Where the network is not to be had, a file that somebody put there by hand is as good. Raises
    MissingToolError where it cannot be fetched, DeviceError where its sha256 is another.
    """
    path = cache.cache_folder("downloads") / file.name
    if path.is_file() and _hash_file(path) == file.sha256:
        return path
    with scratch_folder(folder=path.parent) as folder:
        partial = folder / "partial"
        try:
            _download(file, partial)
        except (OSError, HTTPException, ValueError) as error:
            raise MissingToolError(
                f"{file.address} cannot be fetched ({error}); try again, or fetch it elsewhere and "
                f"put it into {path.parent}."
            ) from error
        digest = _hash_file(partial)
        if digest != file.sha256:
            raise DeviceError(f"{file.address} has sha256 {digest}, not {file.sha256}.")
        partial.replace(path)
    return path


def _download(file: PinnedFile, partial: Path) -> None:
    address = quote(file.address, safe=":/")
    left = MOST_BYTES
    with (
        urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer,  # noqa: S310 (ours, pinned)
        partial.open("wb") as target,
    ):
        while block := answer.read(BLOCK_BYTES):
            left -= len(block)
            if left < 0:
                raise ValueError(f"it is larger than {MOST_BYTES} bytes")
            target.write(block)


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
