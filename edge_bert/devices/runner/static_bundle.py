"""A folder with the runner, LiteRT and a C library of its own, for phones without an NDK."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from edge_bert.devices.runner.build import TRIPLES, build_runner, host_abi
from edge_bert.devices.runner.library import find_litert_library
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.processes import run_tool
from edge_bert.store import cache
from edge_bert.store.scratch import scratch_folder

LOADERS = {
    "aarch64-linux-gnu": "ld-linux-aarch64.so.1",
    "x86_64-linux-gnu": "ld-linux-x86-64.so.2",
}
DEBIAN = {"aarch64-linux-gnu": "arm64", "x86_64-linux-gnu": "amd64"}
PACKAGES = ("libc6", "libstdc++6", "libgcc-s1")
# What LiteRT and the runner ask for. The empty ones of newer C libraries are there too.
LIBRARIES = (
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libgcc_s.so.1",
    "libstdc++.so.6",
)
START = "start.sh"
# The folder comes from $0; it is started as `sh start.sh`, because not every phone has /bin/sh.
START_SCRIPT = """\
case $0 in */*) here=${{0%/*}} ;; *) here=. ;; esac
exec "$here/{loader}" --library-path "$here" "$here/runner" --library "$here/libLiteRt.so" "$@"
"""
TIMEOUT_S = 600


def build_runner_bundle(abi: str) -> Path:
    """A flat folder that runs anywhere: `sh start.sh --model … ` needs no other file.

    Contents: runner, libLiteRt.so, the loader, the C and C++ libraries, start.sh. Raises
    MissingToolError where this machine cannot get compiler, runtime or C library.
    """
    files = {"runner": build_runner(abi), "libLiteRt.so": find_litert_library(abi)[0]}
    folder, loader = find_c_library(abi), LOADERS[TRIPLES[abi]]
    files |= {name: folder / name for name in (loader, *LIBRARIES)}
    digest = hashlib.sha256(START_SCRIPT.encode())
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    bundle = cache.cache_folder("bundles") / f"{abi}-{digest.hexdigest()[:32]}"
    if not bundle.is_dir():
        _assemble(files, START_SCRIPT.format(loader=loader), bundle)
    return bundle


def find_c_library(abi: str) -> Path:
    """A folder that holds the loader and all of LIBRARIES for `abi`."""
    triple = TRIPLES[abi]
    names = (LOADERS[triple], *LIBRARIES)
    folders = [Path("/usr") / triple / "lib"]
    if triple == TRIPLES[host_abi()]:
        folders = [Path("/usr/lib") / triple, Path("/lib") / triple]
    for folder in folders:
        if all((folder / name).is_file() for name in names):
            return folder
    unpacked = cache.cache_folder("c_library") / f"{triple}-debian"
    if not unpacked.is_dir():
        _fetch_packages(triple, names, unpacked)
    return unpacked


def _assemble(files: dict[str, Path], script: str, bundle: Path) -> None:
    with scratch_folder(folder=bundle.parent) as folder:
        partial = folder / "bundle"
        partial.mkdir()
        for name, path in files.items():
            shutil.copyfile(path, partial / name)
            (partial / name).chmod(0o755)
        (partial / START).write_text(script, encoding="utf-8")
        (partial / START).chmod(0o755)
        _publish(partial, bundle)


def _publish(partial: Path, final: Path) -> None:
    """Rename a finished folder; another process may have been faster with the same content."""
    try:
        partial.replace(final)
    except OSError:
        if not final.is_dir():
            raise


def _fetch_packages(triple: str, names: tuple[str, ...], final: Path) -> None:
    """Download and unpack Debian's packages; neither root nor a foreign architecture is needed."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise MissingToolError(
            f"No C library for {triple} here. On Debian: `apt-get install gcc-{triple}`."
        )
    with scratch_folder(folder=final.parent) as root:
        for subfolder in ("state/lists/partial", "cache/archives/partial", "tree", "bundle"):
            (root / subfolder).mkdir(parents=True)
        apt = ["apt-get", "-q", "-o", f"APT::Architecture={DEBIAN[triple]}"]
        apt += ["-o", f"APT::Architectures={DEBIAN[triple]}", "-o", f"Dir::State={root / 'state'}"]
        apt += ["-o", f"Dir::Cache={root / 'cache'}", "-o", "Dir::State::status=/dev/null"]
        apt += ["-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1"]
        commands = [[*apt, "update"], [*apt, "download", *PACKAGES]]
        for command in commands:
            run_tool(command, cwd=root, timeout_s=TIMEOUT_S, failure=MissingToolError)
        for package in sorted(root.glob("*.deb")):
            unpack = ["dpkg-deb", "-x", str(package), str(root / "tree")]
            run_tool(unpack, timeout_s=TIMEOUT_S, failure=MissingToolError)
        _collect(root / "tree", names, root / "bundle")
        _publish(root / "bundle", final)


def _collect(tree: Path, names: tuple[str, ...], folder: Path) -> None:
    for name in names:
        library = next((path for path in sorted(tree.rglob(name)) if path.is_file()), None)
        if library is None:
            raise DeviceError(f"Debian's packages {', '.join(PACKAGES)} hold no {name}.")
        shutil.copyfile(library.resolve(), folder / name)
