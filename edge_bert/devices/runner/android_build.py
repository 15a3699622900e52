"""Build the runner for Android's own C library: by the user's NDK, else by zig with stand-ins.

`android_harness/runner/bionic/README.md` says what zig lacks and how that is made up for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.runner.build import FLAGS, LINKS, SOURCES, run_compiler
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.formats.elf import ARM64, ElfFile
from edge_bert.store import cache
from edge_bert.store.scratch import scratch_folder

BIONIC = SOURCES / "bionic"
LINKER = "/system/bin/linker64"
ABI = "arm64-v8a"
# Android 8: older phones run no LiteRT 2.
NDK_TARGET = "aarch64-linux-android26"
NDK_VARIABLES = ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT")
ZIG_TARGET = "aarch64-linux-musl"
ZIG_FLAGS = (
    *("-fPIC", "-fno-stack-protector", "-fno-sanitize=undefined", "-mno-outline-atomics"),
    *("-include", "bionic/bionic.h"),
)
STAND_IN_FLAGS = ("-nostdlib", "-fno-builtin", "-w", "-shared", "-fPIC")
# Phones of 2024 and later may have pages of 16 KB.
ZIG_LINKS = (
    *("-nostdlib", "-pie", f"-Wl,-dynamic-linker,{LINKER}", "-Wl,--build-id=none"),
    "-Wl,-z,max-page-size=16384",
)


@dataclass(frozen=True)
class AndroidCompiler:
    """The first words of a command line, and whose they are."""

    words: tuple[str, ...]
    origin: str


def find_android_compiler() -> AndroidCompiler:
    """The NDK that the environment names, else zig. Raises MissingToolError without either."""
    for variable in NDK_VARIABLES:
        if folder := os.environ.get(variable):
            return AndroidCompiler(_find_clang(variable, Path(folder)), f"the NDK of {variable}")
    if importlib.util.find_spec("ziglang") is None:
        raise MissingToolError(
            "No compiler for Android here: point ANDROID_NDK_HOME to an NDK, or run "
            "`pip install ziglang`."
        )
    words = (sys.executable, "-m", "ziglang", "cc", "-target", ZIG_TARGET)
    return AndroidCompiler(words, "zig with stand-ins of bionic")


def build_android_runner() -> tuple[Path, str]:
    """The runner for phones with ARM64 and their own C library, and what built it.

    It is built if it is not in the cache, and checked: it asks for bionic's libraries and symbols
    alone. Raises MissingToolError without a compiler, DeviceError for a failed build.
    """
    compiler = find_android_compiler()
    runner = cache.cache_folder("runner", _content_hash(compiler)) / "runner"
    if not runner.is_file():
        with scratch_folder(folder=runner.parent) as folder:
            partial = folder / "runner"
            if "ziglang" in compiler.words:
                _build_with_zig(compiler.words, folder, partial)
            else:
                sources = sorted(path.name for path in SOURCES.glob("*.c"))
                words = [*compiler.words, *FLAGS, "-fPIE", *sources, *LINKS, "-pie"]
                run_compiler([*words, "-o", str(partial)])
            check_android_program(partial)
            partial.chmod(0o755)
            partial.replace(runner)
    return runner, compiler.origin


def check_android_program(program: Path) -> None:
    """Raise DeviceError where a program is not one for bionic as all phones have it."""
    file = ElfFile(program.name, program.read_bytes())
    libraries = read_stand_ins()
    known = {symbol.rstrip("=") for symbols in libraries.values() for symbol in symbols}
    strays = sorted({*file.imports} - known)
    if file.machine != ARM64 or file.interpreter != LINKER:
        raise DeviceError("The compiler did not build the runner for Android on ARM64.")
    if strays or not {*file.needed} <= {*libraries, "libm.so"}:
        names = ", ".join((*strays, *file.needed))
        raise DeviceError(f"The runner asks for more than bionic's libraries have: {names}.")


def read_stand_ins() -> dict[str, tuple[str, ...]]:
    """The symbols by library that the runner may ask for; `=` ends the name of a variable."""
    libraries: dict[str, tuple[str, ...]] = {}
    for line in (BIONIC / "symbols.txt").read_text("ascii").splitlines():
        name, *symbols = line.split()
        libraries[name] = (*libraries.get(name, ()), *symbols)
    return libraries


def _find_clang(variable: str, ndk: Path) -> tuple[str, ...]:
    folder = ndk / "toolchains" / "llvm" / "prebuilt"
    for name in ("clang", "clang.exe"):
        for path in sorted(folder.glob(f"*/bin/{name}")):
            return (str(path), f"--target={NDK_TARGET}")
    raise MissingToolError(
        f"{variable} is {ndk}, which holds no NDK ({folder}/*/bin/clang is not there); point it to "
        "an NDK or unset it."
    )


def _build_with_zig(zig: tuple[str, ...], folder: Path, program: Path) -> None:
    stand_ins = []
    for name, symbols in read_stand_ins().items():
        source, library = folder / f"{name}.c", folder / name
        source.write_text("".join(map(_declare, symbols)), encoding="ascii", newline="\n")
        soname = f"-Wl,-soname,{name}"
        run_compiler([*zig, *STAND_IN_FLAGS, soname, str(source), "-o", str(library)])
        stand_ins.append(str(library))
    sources = [path.relative_to(SOURCES).as_posix() for path in _list_sources()]
    compiled = folder / "runner.o"
    run_compiler([*zig, "-c", *FLAGS, *ZIG_FLAGS, *sources, "-o", str(compiled)])
    run_compiler([*zig, *ZIG_LINKS, str(compiled), *stand_ins, "-o", str(program)])


def _declare(symbol: str) -> str:
    """A symbol of a stand-in, in C."""
    if symbol.endswith("="):
        return f"char {symbol[:-1]}[8];\n"
    return f"void {symbol}(void) {{}}\n"


def _list_sources() -> list[Path]:
    return sorted((*SOURCES.glob("*.c"), *BIONIC.glob("*.c")))


def _content_hash(compiler: AndroidCompiler) -> str:
    flags = (*compiler.words, *FLAGS, *ZIG_FLAGS, *STAND_IN_FLAGS, *ZIG_LINKS)
    digest = hashlib.sha256("\0".join(flags).encode())
    digest.update(run_compiler([*compiler.words, "--version"]).encode())
    headers = (*SOURCES.glob("*.h"), *BIONIC.glob("*.h"), BIONIC / "symbols.txt")
    for path in sorted((*_list_sources(), *headers)):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(SOURCES).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]
