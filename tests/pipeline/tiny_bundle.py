"""Bundles of tiny models, built for real, once for all tests that only read them."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edge_bert.pipeline.build.build import BuiltBundle, build_bundle
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.store import cache
from tests.tiny import models

PROFILE = "pixel"
LENGTHS = (16, 32)
SHARED = "cache"
FROM_USUAL_CACHE = (
    "emulator/bases",
    "emulator/plugin",
    "emulator/roots",
    "environments",
    "litert",
    "runner",
)


@functools.cache
def workplace() -> Path:
    """A folder for this run of the tests, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="edge-bert-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def shared_workplace() -> Path:
    """A folder that all processes of this run of the tests have; the last one removes it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return workplace()
    folder = Path(tempfile.gettempdir()) / f"edge-bert-tests-{run}"
    users = folder / "users"
    users.mkdir(parents=True, exist_ok=True)
    (users / str(os.getpid())).touch()
    atexit.register(_leave, folder, os.getpid())
    return folder


def _leave(folder: Path, user: int) -> None:
    if user != os.getpid():  # a fork, which ends before its parent
        return
    (folder / "users" / str(user)).unlink(missing_ok=True)
    if not any((folder / "users").iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def model(architecture: str = "bert", head: str = "mean-normalize", seed: int = 0) -> Path:
    """The folder of a tiny model."""
    folder = workplace() / "models" / f"{architecture}-{head}-{seed}"
    return models.write(folder, architecture, head, seed=seed)


@contextmanager
def own_cache(name: str = SHARED) -> Iterator[Path]:
    """EDGE_BERT_CACHE points to a folder of the tests; runtimes, and the files and programs of
    emulated phones, are shared with the usual cache.

    All processes have the same `cache`, so that each tiny model is converted once; another name is
    this process's alone.
    """
    folder = (shared_workplace() if name == SHARED else workplace()) / name
    folder.mkdir(exist_ok=True)
    (folder / "emulator").mkdir(exist_ok=True)
    for shared in FROM_USUAL_CACHE:
        with suppress(FileExistsError):
            (folder / shared).symlink_to(cache.cache_folder(shared).resolve())
    before = os.environ.get("EDGE_BERT_CACHE")
    os.environ["EDGE_BERT_CACHE"] = str(folder)
    try:
        yield folder
    finally:
        os.environ.pop("EDGE_BERT_CACHE")
        if before is not None:
            os.environ["EDGE_BERT_CACHE"] = before


def make_options(profile: str = PROFILE, **values: Any) -> BuildOptions:
    """Options of `invoke build`, of a tiny model unless `model` says another; paths and lists are
    taken as the command line would give them."""
    plain = {name: _plain(value) for name, value in ({"model": model()} | values).items()}
    return BuildOptions(profile=profile, **plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def open_session(profile: str = PROFILE, **values: Any) -> BuildSession:
    """A session with the options that `make_options` gives."""
    return BuildSession.open(make_options(profile, **values))


def sizing_options(
    profile: str = PROFILE, source: Path | None = None, **values: Any
) -> BuildOptions:
    """Options of a tiny model with one short bucket, without emulation."""
    defaults = {
        "model": source or model(),
        "lengths": (16,),
        "calibration_count": 32,
        "emulate": False,
    }
    return make_options(profile, **(defaults | values))


def build_in(
    out: Path,
    *,
    cache_name: str = SHARED,
    profile: str = PROFILE,
    lengths: Sequence[int] = LENGTHS,
    source: Path | None = None,
    **values: Any,
) -> BuiltBundle:
    """`invoke build` of a tiny model into `out`, with its cache among the tests' folders."""
    values |= {"model": source or model(), "lengths": tuple(lengths), "out": out}
    with own_cache(cache_name):
        return build_bundle(open_session(profile, **values))


@functools.cache
def built(architecture: str = "bert", head: str = "mean-normalize") -> BuiltBundle:
    """A bundle with every recipe; not to be changed."""
    out = workplace() / "built" / f"{architecture}-{head}"
    return build_in(out, source=model(architecture, head))


def copy_of(made: BuiltBundle, folder: Path) -> Path:
    """The bundle in a folder of its own, to be damaged."""
    return Path(shutil.copytree(made.folder, folder / made.folder.name))
