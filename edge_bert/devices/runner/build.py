"""Build the C runner for an ABI, once for each state of its sources."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import shutil
import sys
from pathlib import Path

from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.host_system import name_machine_type, name_system
from edge_bert.installation import shipped_folder
from edge_bert.processes import run_tool
from edge_bert.store import cache
from edge_bert.store.scratch import scratch_folder

SOURCES = shipped_folder("android_harness") / "runner"
# The ABI's name as Android or a profile has it, and as compilers have it.
TRIPLES = {
    "arm64-v8a": "aarch64-linux-gnu",
    "aarch64-linux": "aarch64-linux-gnu",
    "x86_64": "x86_64-linux-gnu",
}
ELF_MAGIC = b"\x7fELF"
ELF_MACHINES = {"aarch64-linux-gnu": 183, "x86_64-linux-gnu": 62}
MACHINE_ABIS = {"x86_64": "x86_64", "arm64": "arm64-v8a"}
# The oldest C library that `zig cc` links against.
OLDEST_GLIBC = "2.27"
FLAGS = ("-std=c11", "-O2", "-g0", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")
LINKS = ("-ldl", "-lm", "-Wl,--build-id=none")
TIMEOUT_S = 300


def host_abi() -> str:
    """The ABI of this machine, where the runner runs on it. Raises DeviceError elsewhere."""
    system, machine = name_system(), name_machine_type()
    if system != "Linux":
        raise DeviceError(
            f"The runner runs on Linux and Android, not on {system}: measure a phone "
            "(--target device)."
        )
    if machine not in MACHINE_ABIS:
        raise DeviceError(f"The runner is not built for {machine}; use x86-64 or ARM64.")
    return MACHINE_ABIS[machine]


def native_triple() -> str | None:
    """What this machine's own compiler makes, where that is one of TRIPLES, else None."""
    if name_system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return None
    abi = MACHINE_ABIS.get(name_machine_type())
    return TRIPLES[abi] if abi else None


def build_runner(abi: str) -> Path:
    """The runner's executable for an ABI of TRIPLES, built if it is not in the cache.

    Equal sources, flags and compiler give equal bytes. Raises MissingToolError without a C
    compiler for the ABI, DeviceError for an unknown ABI or a failed build.
    """
    compiler = find_compiler(abi)
    sources = sorted(path.name for path in SOURCES.glob("*.c"))
    if not sources:
        raise DeviceError(f"The runner's sources are not in {SOURCES}; install edge-bert again.")
    runner = cache.cache_folder("runner", _content_hash(compiler)) / "runner"
    if not runner.is_file():
        _compile([*compiler, *FLAGS, *sources, *LINKS], runner, abi)
    return runner


def find_compiler(abi: str) -> list[str]:
    """A C compiler for `abi`, as the first words of a command line."""
    if abi not in TRIPLES:
        raise DeviceError(f"The runner is not built for {abi}; known: {', '.join(TRIPLES)}.")
    triple = TRIPLES[abi]
    native = ["cc", "gcc", "clang"] if triple == native_triple() else []
    for name in [*native, f"{triple}-gcc"]:
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{triple}.{OLDEST_GLIBC}"]
    raise MissingToolError(
        f"No C compiler for {abi} here: run `pip install ziglang`, which works on every system."
    )


def _content_hash(compiler: list[str]) -> str:
    digest = hashlib.sha256("\0".join((*compiler, *FLAGS, *LINKS)).encode())
    digest.update(run_compiler([*compiler, "--version"]).encode())
    for path in sorted(SOURCES.glob("*.[ch]")):
        content = path.read_bytes()
        digest.update(f"\0{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def _compile(command: list[str], runner: Path, abi: str) -> None:
    """Compile in the folder of the sources, so that no path of this machine gets in."""
    with scratch_folder(folder=runner.parent) as folder:
        partial = folder / "runner"
        run_compiler([*command, "-o", str(partial)])
        _check_machine(partial, abi)
        partial.chmod(0o755)
        partial.replace(runner)


def _check_machine(program: Path, abi: str) -> None:
    """Raise DeviceError where a compiler made a program for another system or processor."""
    head = program.read_bytes()[:20]
    machine = int.from_bytes(head[18:20], "little")
    if head[:4] != ELF_MAGIC or machine != ELF_MACHINES[TRIPLES[abi]]:
        raise DeviceError(f"The compiler here does not build for {abi}; run `pip install ziglang`.")


def run_compiler(command: list[str]) -> str:
    """What a compiler says that runs in the folder of the sources. Raises DeviceError."""
    return run_tool(command, cwd=SOURCES, timeout_s=TIMEOUT_S, failure=DeviceError)
