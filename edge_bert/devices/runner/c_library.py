"""The C and C++ libraries that LiteRT asks for: this machine's, or Debian's by a pinned download.

No package manager is asked, so that every computer gets the same files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.runner.build import TRIPLES, native_triple
from edge_bert.devices.runner.debian_archive import read_package_files
from edge_bert.devices.runner.download import PinnedFile, fetch_pinned
from edge_bert.errors import DeviceError
from edge_bert.store import cache
from edge_bert.store.scratch import scratch_folder

LOADERS = {
    "aarch64-linux-gnu": "ld-linux-aarch64.so.1",
    "x86_64-linux-gnu": "ld-linux-x86-64.so.2",
}
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
# The newest versions of symbols that LiteRT 2.3 asks for, as those libraries spell them.
NEEDED_VERSIONS = {"libc.so.6": b"GLIBC_2.34\0", "libstdc++.so.6": b"GLIBCXX_3.4.30\0"}
# Debian 12.15 as its archive of all times had it: files there never change or go.
ARCHIVE = "https://snapshot.debian.org/archive/debian/20260712T000000Z/pool/main/g"
GLIBC = "glibc/libc6_2.36-9+deb12u14"
LIBGCC = "gcc-12/libgcc-s1_12.2.0-14+deb12u1"
LIBSTDCXX = "gcc-12/libstdc++6_12.2.0-14+deb12u1"
PACKAGES = {
    "aarch64-linux-gnu": (
        (f"{GLIBC}_arm64.deb", "01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4"),
        (f"{LIBGCC}_arm64.deb", "576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3"),
        (
            f"{LIBSTDCXX}_arm64.deb",
            "26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2",
        ),
    ),
    "x86_64-linux-gnu": (
        (f"{GLIBC}_amd64.deb", "ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf"),
        (f"{LIBGCC}_amd64.deb", "3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7"),
        (
            f"{LIBSTDCXX}_amd64.deb",
            "5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d",
        ),
    ),
}


@dataclass(frozen=True)
class CLibrary:
    """A folder that holds the loader and all of LIBRARIES, and whose build they are."""

    folder: Path
    origin: str


def find_c_library(abi: str) -> CLibrary:
    """The C library for `abi`: a cross-compiler's here where it is new enough, else Debian's.

    Raises MissingToolError where it cannot be fetched, DeviceError where its sha256 is another.
    """
    triple = TRIPLES[abi]
    names = (LOADERS[triple], *LIBRARIES)
    for folder in _installed_folders(triple):
        if _suffices(folder, names):
            return CLibrary(folder, f"glibc of {folder}")
    digest = hashlib.sha256(repr(PACKAGES[triple]).encode()).hexdigest()
    unpacked = cache.cache_folder("c_library") / f"{triple}-{digest[:12]}"
    if not unpacked.is_dir():
        _unpack_packages(PACKAGES[triple], names, unpacked)
    return CLibrary(unpacked, "Debian's glibc 2.36-9+deb12u14")


def publish_folder(partial: Path, final: Path) -> None:
    """Rename a finished folder; another process may have been faster with the same content."""
    try:
        partial.replace(final)
    except OSError:
        if not final.is_dir():
            raise


def _installed_folders(triple: str) -> list[Path]:
    if triple == native_triple():
        return [Path("/usr/lib") / triple, Path("/lib") / triple]
    return [Path("/usr") / triple / "lib"]


def _suffices(folder: Path, names: tuple[str, ...]) -> bool:
    """Whether all files are there, of versions that LiteRT can be loaded with."""
    if not all((folder / name).is_file() for name in names):
        return False
    return all(text in (folder / name).read_bytes() for name, text in NEEDED_VERSIONS.items())


def _unpack_packages(
    packages: tuple[tuple[str, str], ...], names: tuple[str, ...], final: Path
) -> None:
    """Fetch Debian's packages and take the named files out of them; nothing of them is run."""
    files: dict[str, bytes] = {}
    for path, sha256 in packages:
        package = fetch_pinned(PinnedFile(f"{ARCHIVE}/{path}", sha256))
        files |= read_package_files(package, names)
    missing = [name for name in names if name not in files]
    if missing:
        raise DeviceError(f"Debian's packages hold no {', '.join(missing)}.")
    with scratch_folder(folder=final.parent) as folder:
        partial = folder / "libraries"
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        publish_folder(partial, final)
