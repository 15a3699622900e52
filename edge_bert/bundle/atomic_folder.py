"""A bundle's folder, replaced as a whole: the old one stays until the new one stands."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_bert.bundle.manifest import FILE as MANIFEST
from edge_bert.errors import BusyError, InputError
from edge_bert.host_system import exchange_folders, flush_file
from edge_bert.stop_signals import held_stops
from edge_bert.store.in_use import share_folder
from edge_bert.store.leftovers import FILE as WRITING
from edge_bert.store.leftovers import remove_unheld_folder
from edge_bert.store.locks import hold_lock
from edge_bert.store.os_faults import FULL, is_full, tell_full
from edge_bert.store.scratch import make_held, remove_scratch
from edge_bert.store.written import note_written


@dataclass(frozen=True)
class FolderKind:
    """What a folder of ours is called, the file that one of them always has, and what makes it."""

    noun: str
    marker: str
    work: str = "build"


BUNDLE = FolderKind("bundle", MANIFEST)
KEPT = ("measurements", "explanations")
NEW = re.compile(r"\.(.+)\.new-[a-z0-9_]{8}")  # as tempfile ends its names
UNWRITABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
)


@contextlib.contextmanager
def replace_folder(
    folder: Path, kind: FolderKind = BUNDLE, *, wait_s: float = 0.0
) -> Iterator[Path]:
    """A scratch folder that takes the place of `folder` when the block ends well.

    Measurements and explanations of the old bundle are carried over, beside those that the block
    wrote, up to the moment of the exchange. Raises BusyError when another build holds `folder` for
    longer than `wait_s` seconds, InputError when it cannot be written to or holds something that
    is not of this `kind`.
    """
    shown, folder = folder, folder.resolve()
    busy = f"Another {kind.work} is writing {folder}; wait for it or stop it."
    with _told_plainly(folder, kind):
        folder.parent.mkdir(parents=True, exist_ok=True)
        share_folder(folder.parent)
        with hold_lock(_lock_path(folder), busy, wait_s=wait_s):
            _sweep(folder)
            _check_replaceable(folder, kind)
            scratch = make_held(folder.parent, f".{folder.name}.new-")
            try:
                yield scratch
                _keep(folder, scratch)
                scratch.chmod(0o755)
                _flush(scratch)
                with held_stops():
                    if _exchange(scratch, folder):
                        _keep_late(scratch, folder)
                    note_written(shown)
            finally:
                remove_scratch(scratch)


def check_folder(folder: Path, kind: FolderKind) -> None:
    """Raise before the work what `replace_folder` would raise after it; nothing is left."""
    folder = folder.resolve()
    with _told_plainly(folder, kind):
        there = next(path for path in folder.parents if path.exists())
        _check_replaceable(folder, kind)
        try:
            remove_scratch(make_held(there, f".{folder.name}.new-"))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(there)) from error


@contextlib.contextmanager
def _told_plainly(folder: Path, kind: FolderKind) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise InputError(
                f"The disk of {folder} is full; the {kind.noun} there is as it was. Free some "
                "space."
            ) from error
        if is_full(error):
            raise InputError(
                f"{tell_full(folder, error)} The {kind.noun} there is as it was."
            ) from error
        if error.errno in UNWRITABLE and _is_beside(error.filename, folder):
            raise InputError(
                f"{folder} cannot be written ({error.strerror}); choose another --out."
            ) from error
        raise


def _is_beside(name: str | None, folder: Path) -> bool:
    """Whether an error is about a file of ours, or one of the folders that lead to it."""
    if name is None:
        return True
    path = Path(os.fsdecode(name)).absolute()
    return path.is_relative_to(folder.parent) or folder.is_relative_to(path)


def _lock_path(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.lock"


def _aside(folder: Path) -> Path:
    """Where the old bundle waits while the new one is renamed, on the way of two renames."""
    return folder.parent / f".{folder.name}.old"


def is_being_replaced(folder: Path) -> bool:
    """Whether the name of a bundle is free because the old one waits beside it."""
    return _aside(folder.resolve()).is_dir()


def _sweep(folder: Path) -> None:
    """Undo what interrupted builds left beside `folder`; locks say that none of them is alive."""
    aside = _aside(folder)
    if aside.exists() and not folder.exists():
        aside.rename(folder)
    for left in (aside, *folder.parent.glob(f".{glob.escape(folder.name)}.new-*")):
        shutil.rmtree(left, ignore_errors=True)
    for left in folder.parent.glob(".*.new-*"):
        name = NEW.fullmatch(left.name)
        if name and _lock_path(left.with_name(name[1])).exists():
            _sweep_other(left, left.with_name(name[1]))


def _sweep_other(left: Path, folder: Path) -> None:
    """Remove what a build of another bundle left, unless it is under way."""
    with contextlib.suppress(BusyError, InputError, OSError), hold_lock(_lock_path(folder), ""):
        remove_unheld_folder(left)


def _check_replaceable(folder: Path, kind: FolderKind) -> None:
    """A folder of the user's own, or a file, must not vanish because it has a profile's name."""
    if not folder.exists() or (folder / kind.marker).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise InputError(
            f"{folder} is there and holds no {kind.noun}; move it or choose another --out."
        )


def _keep(folder: Path, scratch: Path) -> None:
    for name in KEPT:
        if (folder / name).is_dir():
            shutil.copytree(
                folder / name,
                scratch / name,
                symlinks=True,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(f"{WRITING}*"),
            )


def _keep_late(old: Path, folder: Path) -> None:
    """Carry over what was saved in the old folder after its files were copied."""
    for name in KEPT:
        for path in (old / name).glob("*.json"):
            (folder / name).mkdir(exist_ok=True)
            if not (folder / name / path.name).exists():
                path.rename(folder / name / path.name)


def _flush(scratch: Path) -> None:
    """Bring the files to the disk before their names, so that a power cut leaves no empty ones."""
    for path in scratch.rglob("*"):
        if path.is_file() and not path.is_symlink():
            flush_file(path)


def _exchange(new: Path, folder: Path) -> bool:
    """Put `new` where `folder` is in one step; whether there was an old folder, now at `new`."""
    if not folder.exists():
        new.rename(folder)
        return False
    if not exchange_folders(new, folder):
        _exchange_by_two_renames(new, folder)
    return True


def _exchange_by_two_renames(new: Path, folder: Path) -> None:
    """There is a moment in which the name is free; `_sweep` mends an end in that moment."""
    aside = _aside(folder)
    folder.rename(aside)
    try:
        new.rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    aside.rename(new)
