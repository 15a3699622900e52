"""A folder with the runner, LiteRT and a C library of its own, for phones without an NDK."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from edge_bert.devices.runner.build import TRIPLES, build_runner
from edge_bert.devices.runner.c_library import (
    LIBRARIES,
    LOADERS,
    find_c_library,
    publish_folder,
)
from edge_bert.devices.runner.library import find_phone_library
from edge_bert.store import cache
from edge_bert.store.scratch import scratch_folder

START = "start.sh"
# The folder comes from $0; it is started as `sh start.sh`, because not every phone has /bin/sh.
START_SCRIPT = """\
case $0 in */*) here=${{0%/*}} ;; *) here=. ;; esac
exec "$here/{loader}" --library-path "$here" "$here/runner" --library "$here/libLiteRt.so" "$@"
"""


def build_runner_bundle(abi: str, library: Path | None = None, runner: Path | None = None) -> Path:
    """A flat folder that runs anywhere: `sh start.sh --model … ` needs no other file.

    Contents: the runner and libLiteRt.so, the given ones or ours, the loader, the C and C++
    libraries, start.sh. Raises MissingToolError where this machine cannot get compiler, runtime or
    C library.
    """
    files = {
        "runner": runner or build_runner(abi),
        "libLiteRt.so": library or find_phone_library(abi)[0],
    }
    folder, loader = find_c_library(abi).folder, LOADERS[TRIPLES[abi]]
    files |= {name: folder / name for name in (loader, *LIBRARIES)}
    digest = hashlib.sha256(START_SCRIPT.encode())
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    bundle = cache.cache_folder("bundles") / f"{abi}-{digest.hexdigest()[:32]}"
    if not bundle.is_dir():
        _assemble(files, START_SCRIPT.format(loader=loader), bundle)
    return bundle


def _assemble(files: dict[str, Path], script: str, bundle: Path) -> None:
    with scratch_folder(folder=bundle.parent) as folder:
        partial = folder / "bundle"
        partial.mkdir()
        for name, path in files.items():
            shutil.copyfile(path, partial / name)
            (partial / name).chmod(0o755)
        # The phone's shell wants its own line ends, from every computer.
        (partial / START).write_text(script, encoding="utf-8", newline="\n")
        (partial / START).chmod(0o755)
        publish_folder(partial, bundle)
