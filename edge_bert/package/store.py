"""A content-addressed store: the key says all that the bytes depend on."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def key_of(*parts: object) -> str:
    """A key from everything that a result depends on, in order."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode()
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.hexdigest()


def source_digest(*folders: Path) -> str:
    """SHA-256 over the Python files of `folders`: a change of code changes what it makes."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def fetch(folder: Path, key: str, make: Callable[[], bytes]) -> bytes:
    """The bytes under `key` in `folder`; made and stored if they are not there."""
    path = folder / key
    try:
        return path.read_bytes()
    except FileNotFoundError:
        data = make()
        write_whole(path, data)
        return data


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` so that a reader sees all of it or the old file, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
