"""Which runner, runtime and C library run on a device: ours, or those of the user's app."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from edge_bert.devices.runner.android_build import ABI as ANDROID_ABI
from edge_bert.devices.runner.android_build import LINKER, build_android_runner
from edge_bert.devices.runner.build import ELF_MACHINES, TRIPLES, build_runner
from edge_bert.devices.runner.c_library import find_c_library
from edge_bert.devices.runner.library import (
    find_litert_library,
    find_phone_library,
    name_library_build,
)
from edge_bert.devices.runner.static_bundle import build_runner_bundle
from edge_bert.errors import DeviceError, InputError
from edge_bert.formats.elf import ElfFile
from edge_bert.records.profile import Runtime

LIBRARY = "libLiteRt.so"
RUNNER = "runner"
GLIBC, BIONIC = "glibc", "Android"
# What a build of each C library asks for, and nothing else does.
C_LIBRARIES = {"libc.so.6": GLIBC, "libc.so": BIONIC}
SHOWN_DIGITS = 12


@dataclass(frozen=True)
class UserFiles:
    """The runtime of `--runtime-library` and the runner of `--runner`; None for ours."""

    library: Path | None = None
    runner: Path | None = None


OURS = UserFiles()


@dataclass(frozen=True)
class RunnerFiles:
    """What is pushed, by name there, and what it is.

    With `own_loader`, `start.sh` starts the runner by the loader that is among the files. `build`
    names the runtime's build in words, `tools` all parts with their sha256.
    """

    files: dict[str, Path]
    runtime: Runtime
    own_loader: bool = False
    build: str = ""
    tools: dict[str, str] = field(default_factory=dict)


def check_user_files(user: UserFiles, abi: str) -> None:
    """Raise InputError where the user's files cannot run on `abi`, or not together."""
    kinds = {
        option: _kind_of(_read_elf(option, path, abi), option)
        for option, path in (("--runtime-library", user.library), ("--runner", user.runner))
        if path is not None
    }
    if len(set(kinds.values())) > 1:
        library, runner = kinds["--runtime-library"], kinds["--runner"]
        raise InputError(
            f"--runtime-library is a build for {library}, --runner one for {runner}; give two of "
            "one kind, or leave --runner out."
        )
    if kinds.get("--runner") == BIONIC and user.library is None:
        raise InputError(
            "--runner is a build for Android, and the LiteRT of the wheel is none; give an "
            "Android build with --runtime-library."
        )
    if BIONIC in kinds.values() and abi != ANDROID_ABI:
        raise InputError(f"Files for Android are for {ANDROID_ABI}; the profile is for {abi}.")


def choose_runner_files(abi: str, *, own_c_library: bool, user: UserFiles = OURS) -> RunnerFiles:
    """The files for a device of `abi`; with `own_c_library` those that a phone needs.

    A runtime that was built for Android gets a runner that was, and the phone's own C library;
    others bring theirs. Raises InputError for files of the user that cannot run there,
    MissingToolError where a part cannot be had.
    """
    check_user_files(user, abi)
    if not own_c_library:
        library, version = find_litert_library(abi)
        files = {RUNNER: build_runner(abi), LIBRARY: library}
        return RunnerFiles(files, Runtime(name="ai-edge-litert", version=version))
    if user.library and _kind_of(ElfFile(LIBRARY, user.library.read_bytes()), LIBRARY) == BIONIC:
        return _choose_android_files(user.library, user.runner)
    return _choose_bundle(abi, user)


def _choose_android_files(library: Path, runner: Path | None) -> RunnerFiles:
    program, origin = (runner, str(runner)) if runner else build_android_runner()
    runtime, build = _describe_library(library, BIONIC)
    tools = {RUNNER: f"{_sha256(program)} by {origin}", LIBRARY: f"{_sha256(library)} {library}"}
    return RunnerFiles({RUNNER: program, LIBRARY: library}, runtime, build=build, tools=tools)


def _choose_bundle(abi: str, user: UserFiles) -> RunnerFiles:
    bundle = build_runner_bundle(abi, user.library, user.runner)
    files = {path.name: path for path in sorted(bundle.iterdir())}
    if user.library:
        runtime, build = _describe_library(user.library, GLIBC)
    else:
        library, version = find_phone_library(abi)
        runtime = Runtime(name="ai-edge-litert", version=version)
        build = name_library_build(_sha256(library))
    tools = {name: _sha256(files[name]) for name in (RUNNER, LIBRARY)}
    if user.library:
        tools[LIBRARY] += f" {user.library}"
    if user.runner:
        tools[RUNNER] += f" {user.runner}"
    tools["C library"] = find_c_library(abi).origin
    return RunnerFiles(files, runtime, own_loader=True, build=build, tools=tools)


def _describe_library(library: Path, kind: str) -> tuple[Runtime, str]:
    """The user's runtime, whose version its sha256 stands for, and its build in words."""
    digest = _sha256(library)[:SHOWN_DIGITS]
    mark = ElfFile(library.name, library.read_bytes()).android
    words = ", ".join(filter(None, (f"{kind} build", mark)))
    return Runtime(name=library.name, version=digest), f"{library.name} {digest} ({words})"


def _read_elf(option: str, path: Path, abi: str) -> ElfFile:
    try:
        file = ElfFile(path.name, path.read_bytes())
    except OSError as error:
        raise InputError(f"{option}: {path} cannot be read: {error.strerror}.") from error
    if abi not in TRIPLES:
        raise DeviceError(f"The runner is not built for {abi}; known: {', '.join(TRIPLES)}.")
    if file.machine != ELF_MACHINES[TRIPLES[abi]]:
        raise InputError(f"{option}: {path.name} is not built for {abi}.")
    return file


def _kind_of(file: ElfFile, option: str) -> str:
    """Whose C library a file was built for."""
    if file.interpreter == LINKER:
        return BIONIC
    kinds = {C_LIBRARIES[name] for name in file.needed if name in C_LIBRARIES}
    if len(kinds) != 1:
        raise InputError(
            f"{option}: {file.name} asks for neither Android's C library nor glibc; give a shared "
            "LiteRT library, and a runner that is linked dynamically."
        )
    return kinds.pop()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
