"""A content-addressed store: the key says all that the bytes depend on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edge_bert.errors import BusyError, InputError
from edge_bert.host_system import lock_handle, name_system
from edge_bert.store.leftovers import FILE, sweep_once
from edge_bert.store.locks import hold_lock
from edge_bert.store.open_file import open_regular
from edge_bert.store.trust import may_trust

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

    An entry is a SHA-256 and the bytes that it is of together with the key, so that one that was
    cut short or changed, or is another key's, counts as missing; so does one that others may
    write. Of several processes one makes it; the others wait and take what it stored.
    """
    path = folder / key
    stored = read_entry(path)
    if stored is not None:
        return stored
    with _lock_entry(path):
        stored = read_entry(path)  # another process may have made it in the meantime
        return _make_entry(path, make) if stored is None else stored


def _make_entry(path: Path, make: Callable[[], bytes]) -> bytes:
    """What `make` gives, stored at `path`."""
    data = make()
    try:
        write_entry(path, data)
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
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(BusyError, InputError, OSError):
            lock = path.with_name(f".{path.name}.lock")
            stack.enter_context(hold_lock(lock, f"{path} is made", wait_s=LONGEST_WAIT_S))
        yield


def write_entry(path: Path, data: bytes) -> None:
    """Write the entry whose key is the file's name."""
    write_atomic(path, _bind(path.name, data) + data)


def read_entry(path: Path) -> bytes | None:
    """The bytes of the entry whose key is the file's name; None where it is missing or damaged."""
    try:
        file = open_regular(path)
        with file.open_stream() as stream:
            entry = stream.read() if may_trust(file.status) else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"The cache entry {path} cannot be read ({error.strerror}); remove it and try again."
        ) from error
    digest, data = entry[:DIGEST_BYTES], entry[DIGEST_BYTES:]
    return data if _bind(path.name, data) == digest else None


def _bind(key: str, data: bytes) -> bytes:
    """The SHA-256 of a key and the bytes under it."""
    name = key.encode()
    return hashlib.sha256(len(name).to_bytes(8, "little") + name + data).digest()


def open_held_file(folder: Path) -> tuple[int, str]:
    """A new file in `folder`, locked so that nobody sweeps it while it is written."""
    sweep_once(folder)
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=FILE)
        lock_handle(handle, wait=True)
        if os.fstat(handle).st_nlink:  # else it was swept in the moment before it was locked
            return handle, name
        os.close(handle)


def encode_json(record: object) -> bytes:
    """A record as JSON that people can read."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def write_atomic(path: Path, data: bytes, *, flush: bool = False) -> None:
    """Write `data` so that a reader sees all of it or the old file, never a part.

    With `flush` that holds after a power cut too. Raises OSError with the name of the file.
    """
    handle, name = open_held_file(path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if flush:
                os.fsync(file.fileno())
            if name_system() != "Windows":  # it is held until it has its name
                _give_name(Path(name), path)
        if name_system() == "Windows":
            _give_name(Path(name), path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _give_name(written: Path, path: Path) -> None:
    written.chmod(0o644)
    written.replace(path)
