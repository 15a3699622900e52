"""A content-addressed store: the key says all that the bytes depend on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from edge_bert.errors import InputError

DIGEST_BYTES = hashlib.sha256().digest_size
# Longer than anything takes that is kept here. A maker that hangs holds up no one for ever.
LONGEST_WAIT_S = 3600


def key_of(*parts: object) -> str:
    """A key from everything that a result depends on, in order."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode()
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.hexdigest()


def fetch_bytes(folder: Path, key: str, make: Callable[[], bytes]) -> bytes:
    """The bytes under `key` in `folder`; made and stored if they are not there, or are damaged.

    An entry is a SHA-256 and the bytes that it is of, so that one that was cut short or changed
    counts as missing. Of several processes one makes it; the others wait and take what it stored.
    """
    path = folder / key
    stored = _read_entry(path)
    if stored is not None:
        return stored
    with _lock_entry(path):
        stored = _read_entry(path)  # another process may have made it in the meantime
        return _make_entry(path, make) if stored is None else stored


def _make_entry(path: Path, make: Callable[[], bytes]) -> bytes:
    """What `make` gives, stored at `path`."""
    data = make()
    try:
        write_atomic(path, hashlib.sha256(data).digest() + data)
    except OSError as error:
        raise InputError(
            f"The cache {path.parent} cannot be written ({error.strerror}); free some space there "
            "or point EDGE_BERT_CACHE to another folder."
        ) from error
    return data


@contextlib.contextmanager
def _lock_entry(path: Path) -> Iterator[None]:
    """One process at a time for the entry at `path`, as far as its file system can tell.

    The system drops the lock of a process that ends in whatever way. Two that make the same entry
    write the same bytes, so a lock that cannot be had costs time and nothing else.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with contextlib.suppress(Timeout, OSError, NotImplementedError):
        lock.acquire(timeout=LONGEST_WAIT_S)
    try:
        yield
    finally:
        if lock.is_locked:
            # Before it is released: whoever waits then sees that the file has no name any more.
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()


def _read_entry(path: Path) -> bytes | None:
    """The bytes of an entry; None where it is missing or damaged."""
    try:
        entry = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"The cache entry {path} cannot be read ({error.strerror}); remove it and try again."
        ) from error
    digest, data = entry[:DIGEST_BYTES], entry[DIGEST_BYTES:]
    return data if hashlib.sha256(data).digest() == digest else None


def encode_json(record: object) -> bytes:
    """A record as JSON that people can read."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def write_atomic(path: Path, data: bytes, *, flush: bool = False) -> None:
    """Write `data` so that a reader sees all of it or the old file, never a part.

    With `flush` that holds after a power cut too.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
