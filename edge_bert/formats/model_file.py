"""A model's files: regular ones, or links that stay inside the model's folder.

A link to a file elsewhere would bring that file's text into what is built. The hub's cache keeps
a model as links to its own blobs, `snapshots/REVISION/FILE -> ../../blobs/HASH`; they are allowed
by that shape alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.store.open_file import NotRegularError, OpenFile, open_regular
from edge_bert.text import one_line

MAX_BYTES = 8 * 1024**3  # of a model for phones, whose file has 2 GB at most
BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MODULES, ONNX = "modules.json", "onnx"
REPLACE_LINK = "put the file itself there"

_held: ContextVar[dict[Path, OpenFile] | None] = ContextVar("_held", default=None)


@contextmanager
def hold_model_files() -> Iterator[None]:
    """Within the block each file of a model is opened once, so that every reader reads the same.

    Raises ModelError at its end where one of them was written to meanwhile.
    """
    if _held.get() is not None:
        yield
        return
    files: dict[Path, OpenFile] = {}
    token = _held.set(files)
    try:
        yield
        for path, file in files.items():
            if not file.is_unchanged():
                raise _tell_change(path)
    finally:
        _held.reset(token)


def has_model_file(path: Path) -> bool:
    """Whether a file of a model is at `path`.

    Raises ModelError where something else is: a folder, a pipe, a link that leads elsewhere.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise _tell_fault(path, error) from error
    if not stat.S_ISREG(mode):
        _find_file(path)
    return True


def open_model_file(path: Path, most_bytes: int = MAX_BYTES) -> OpenFile:
    """The file of a model at `path`, open.

    Raises ModelError where it is missing, no regular file, larger than `most_bytes` or a link that
    leads out of the model's folder.
    """
    held = _held.get()
    if held is not None and path in held:
        return held[path]
    real = _find_file(path)
    try:
        file = open_regular(real)
        if _real_path(path) != real or not os.path.samestat(file.status, real.lstat()):
            raise _tell_change(path)
    except (OSError, ValueError) as error:
        raise _tell_fault(path, error) from error
    if file.status.st_size > most_bytes:
        raise ModelError(f"{one_line(path)} is larger than {most_bytes} bytes; no such file is.")
    if held is not None:
        held[path] = file
    return file


def read_model_bytes(path: Path, most_bytes: int) -> bytes:
    """The bytes of the file of a model at `path`. Raises ModelError as `open_model_file`."""
    file = open_model_file(path, most_bytes)
    try:
        data = file.read(most_bytes)
    except OSError as error:
        raise _tell_fault(path, error) from error
    if len(data) > most_bytes:  # a file of /proc has a size of zero
        raise ModelError(f"{one_line(path)} is larger than {most_bytes} bytes; no such file is.")
    return data


def digest_files(*paths: Path) -> str:
    """SHA-256 over the digests of the files of a model at `paths`, in order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(bytes.fromhex(open_model_file(path).digest()))
    return digest.hexdigest()


def require_inside(path: Path, folder: Path) -> None:
    """Raises ModelError where `path`, a folder of a model, is a link that leads out of `folder`."""
    if not _real_path(path).is_relative_to(_real_path(folder)):
        raise ModelError(f"{one_line(path)} leads out of the model's folder; {REPLACE_LINK}.")


def _find_file(path: Path) -> Path:
    """Where the regular file is that `path` names, by links that are allowed."""
    try:
        real, folder = _real_path(path), _real_path(path.parent)
        mode = real.lstat().st_mode
    except (OSError, ValueError) as error:
        fault = _tell_fault(path, error)
        if os.path.islink(path):  # noqa: PTH114 (which no name is too long for)
            fault = ModelError(f"{one_line(path)} is a link that leads nowhere; {REPLACE_LINK}.")
        raise fault from error
    if not (real == folder / path.name or _stays_inside(real, folder) or _is_blob(real, folder)):
        raise ModelError(
            f"{one_line(path)} is a link that leads out of the model's folder; {REPLACE_LINK}."
        )
    if not stat.S_ISREG(mode):
        raise _tell_kind(path)
    return real


def _real_path(path: Path) -> Path:
    return Path(os.path.realpath(path, strict=True))


def _stays_inside(real: Path, folder: Path) -> bool:
    """Whether a file lies in the model that `folder` is of: itself, or the folder of a module."""
    is_part = folder.name == ONNX or (folder.parent / MODULES).is_file()
    return real.is_relative_to(folder.parent if is_part else folder)


def _is_blob(real: Path, folder: Path) -> bool:
    """Whether a file is one of the blobs of the hub's cache that `folder` is a snapshot in."""
    parts = folder.parts
    places = [place for place, part in enumerate(parts[:-1]) if part == "snapshots"]
    return bool(BLOB.fullmatch(real.name)) and any(
        real.parent == Path(*parts[:place], "blobs") for place in places
    )


def _tell_change(path: Path) -> ModelError:
    return ModelError(f"{one_line(path)} was changed while it was read; try again.")


def _tell_kind(path: Path) -> ModelError:
    return ModelError(
        f"{one_line(path)} is missing: what is there is no regular file; {REPLACE_LINK}."
    )


def _tell_fault(path: Path, error: OSError | ValueError) -> ModelError:
    """The one line for what the system says of a file."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ModelError(f"{one_line(path)} is missing; give a folder in Hugging Face's layout.")
    if isinstance(error, NotRegularError):
        return _tell_kind(path)
    reason = getattr(error, "strerror", None) or error
    return ModelError(f"{one_line(path)} cannot be read ({one_line(reason)}).")
