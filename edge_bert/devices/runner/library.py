"""Find or fetch `libLiteRt.so`, the runtime that the runner opens."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import sys
import zipfile
from pathlib import Path

from edge_bert.devices.runner.build import TRIPLES, native_triple
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.processes import run_tool
from edge_bert.store import cache
from edge_bert.store.scratch import scratch_folder

PACKAGE = "ai-edge-litert"
MEMBER = "ai_edge_litert/libLiteRt.so"
# The runtime for phones is one fixed file, so that instruction counts agree everywhere.
VERSION = "2.3.0"
PLATFORMS = {
    "aarch64-linux-gnu": "manylinux_2_27_aarch64",
    "x86_64-linux-gnu": "manylinux_2_27_x86_64",
}
SHA256 = {
    "aarch64-linux-gnu": "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
    "x86_64-linux-gnu": "eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb",
}
TIMEOUT_S = 600


def find_installed_library() -> tuple[Path, str]:
    """The library of the installed ai-edge-litert, and its version; it fits this host only."""
    spec = importlib.util.find_spec("ai_edge_litert")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        library = Path(folder) / "libLiteRt.so"
        if library.is_file():
            return library, importlib.metadata.version(PACKAGE)
    raise MissingToolError(f"{PACKAGE} is not installed here; run `pip install {PACKAGE}`.")


def find_litert_library(abi: str) -> tuple[Path, str]:
    """The library for `abi` and its version: the installed one for this host, else a fetched one.

    Raises MissingToolError when it cannot be fetched, DeviceError when its sha256 is another.
    """
    if abi in TRIPLES and TRIPLES[abi] == native_triple():
        return find_installed_library()
    return find_phone_library(abi)


def find_phone_library(abi: str) -> tuple[Path, str]:
    """The one library that phones get from every computer, and its version.

    Raises as `find_litert_library`.
    """
    if abi not in TRIPLES:
        raise DeviceError(f"LiteRT is not known for {abi}; known: {', '.join(TRIPLES)}.")
    triple = TRIPLES[abi]
    if triple == native_triple():
        installed, version = find_installed_library()
        if version == VERSION and _sha256(installed) == SHA256[triple]:
            return installed, version
    library = cache.cache_folder("litert", VERSION, triple) / "libLiteRt.so"
    if not library.is_file():
        with scratch_folder(folder=library.parent) as folder:
            _unpack(_fetch_wheel(triple, folder), library, SHA256[triple])
    return library, VERSION


def name_library_build(sha256: str) -> str:
    """Which build of LiteRT has this sha256, in words; the digits alone of one that is not ours."""
    if sha256 in SHA256.values():
        return f"LiteRT {VERSION} (glibc build of the wheel)"
    return f"libLiteRt.so {sha256[:12]} (not of the pinned wheel)"


def _fetch_wheel(triple: str, folder: Path) -> Path:
    # One Python version for everybody, so that the wheel is always the same file.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--python-version", "3.11"]
    command += ["--platform", PLATFORMS[triple], "--dest", str(folder), f"{PACKAGE}=={VERSION}"]
    run_tool(command, timeout_s=TIMEOUT_S, failure=MissingToolError)
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise MissingToolError(f"pip fetched no wheel of {PACKAGE} {VERSION} for {triple}.")
    return wheels[0]


def _unpack(wheel: Path, library: Path, sha256: str) -> None:
    """Take one file out of a wheel; nothing of the wheel is run."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DeviceError(f"{wheel.name} has no readable {MEMBER}; fetch it again.") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise DeviceError(f"{MEMBER} of {wheel.name} has sha256 {digest}, not {sha256}.")
    partial = wheel.with_suffix(".so")
    partial.write_bytes(content)
    partial.replace(library)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
