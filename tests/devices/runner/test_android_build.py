"""The runner for Android's C library: built without the NDK, and run with stand-ins for bionic.

No Android is at hand here, so the stand-in of libc.so is ours: it enters main and has bionic's
errno and sigaction over glibc's. It shows that the program keeps to bionic's layouts as read there.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_bert import profiles
from edge_bert.devices.emulator import arm64_root
from edge_bert.devices.emulator.host_tools import QEMU
from edge_bert.devices.runner import android_build
from edge_bert.devices.runner.android_build import build_android_runner, read_stand_ins
from edge_bert.devices.runner.build import build_runner, find_compiler
from edge_bert.devices.runner.library import find_litert_library
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.formats.elf import ARM64, ElfFile
from tests.devices.emulator_programs import need_emulator
from tests.devices.two_signatures import two_signatures

BIONIC = r"""
#include <signal.h>
#include <stdlib.h>
int *__errno_location(void);
int __sigaction(int, const struct sigaction *, struct sigaction *);
int *__errno(void) { return __errno_location(); }
struct bionic { int flags; void (*handler)(int); unsigned long mask; void (*restorer)(void); };
int translate(int number, const struct bionic *action, void *before) __asm__("sigaction");
int translate(int number, const struct bionic *action, void *before) {
    struct sigaction real = {.sa_handler = action->handler, .sa_flags = action->flags};
    return before ? -1 : __sigaction(number, &real, 0);
}
void __libc_init(long *words, void (*at_exit)(void), int (*run)(int, char **, char **)) {
    char **arguments = (char **)(words + 1);
    exit(at_exit ? 99 : run((int)*words, arguments, arguments + *words + 1));
}
"""


@pytest.fixture(scope="module")
def runner() -> Path:
    try:
        return build_android_runner()[0]
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def android(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An emulated phone's root with stand-ins where Android has its linker and libraries."""
    need_emulator()
    folder = tmp_path_factory.mktemp("android")
    root = folder / "root"
    shutil.copytree(arm64_root.prepare_root(profiles.load_profile("pixel-9")), root, symlinks=True)
    libraries = root / "usr" / "lib" / "aarch64-linux-gnu"
    (root / "system" / "bin").mkdir(parents=True)
    shutil.copy(libraries / "ld-linux-aarch64.so.1", root / "system" / "bin" / "linker64")
    (folder / "libc.c").write_text(BIONIC)
    for name in ("libm", "libdl"):
        (folder / f"{name}.c").write_text("")
    # A version of its own keeps glibc's libraries off what is meant for the runner.
    (folder / "versions").write_text("LIBC { global: *; };")
    for name in ("libc", "libm", "libdl"):
        options = ["-shared", "-fPIC", f"-Wl,-soname,{name}.so", "-Wl,--version-script=versions"]
        options += ["-Wl,--no-as-needed", "-lm"] if name == "libm" else []  # glibc's has `exp`
        command = [*find_compiler("arm64-v8a"), f"{name}.c", *options]
        command += ["-o", str(libraries / f"{name}.so")]
        subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True)
    return root


def start(program: Path, root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [QEMU, "-L", str(root), str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_asks_for_bionic_alone(runner: Path) -> None:
    """Its loader is Android's, and all that it asks for is in bionic's own list."""
    file = ElfFile("runner", runner.read_bytes())
    assert (file.machine, file.interpreter) == (ARM64, "/system/bin/linker64")
    assert file.needed == ("libc.so", "libm.so", "libdl.so")
    assert file.android == "API 23"
    known = {name.rstrip("=") for names in read_stand_ins().values() for name in names}
    assert {"__libc_init", "__errno", "sigaction", "dlopen"} <= {*file.imports} <= known


def test_a_program_for_another_c_library_is_refused() -> None:
    """Whatever a compiler was told."""
    with pytest.raises(DeviceError, match="for Android on ARM64"):
        android_build.check_android_program(build_runner("arm64-v8a"))


def test_computes_what_the_other_runner_computes(
    runner: Path, android: Path, tmp_path: Path
) -> None:
    """Both run the same LiteRT in the same emulated phone: the outputs have the same bytes."""
    model = tmp_path / "model.tflite"
    model.write_bytes(two_signatures())
    inputs = np.random.default_rng(3).normal(size=(2, 8)).astype(np.float32)
    (tmp_path / "in").write_bytes(inputs.tobytes())
    library, _ = find_litert_library("arm64-v8a")
    words = ["--library", library, "--model", model, "--signature", "encode_8", "--cores", "0"]
    for program, name in ((runner, "android"), (build_runner("arm64-v8a"), "glibc")):
        done = start(
            program, android, *words, "--inputs", tmp_path / "in", "--outputs", tmp_path / name
        )
        assert done.returncode == 0, done.stdout
    outputs = (tmp_path / "android").read_bytes()
    assert outputs == (tmp_path / "glibc").read_bytes()
    assert len(outputs) == 32


def test_errors_and_crashes_are_told_as_elsewhere(
    runner: Path, android: Path, tmp_path: Path
) -> None:
    """`errno` is bionic's, and so is the layout of what handles a signal."""
    library, _ = find_litert_library("arm64-v8a")
    done = start(runner, android, "--library", library, "--model", "absent")
    assert "absent: No such file or directory" in done.stdout
    model = tmp_path / "model.tflite"
    model.write_bytes(two_signatures())
    (tmp_path / "crash.c").write_text(
        "#include <signal.h>\n__attribute__((constructor)) void die(void) { raise(SIGSEGV); }\n"
    )
    command = [*find_compiler("arm64-v8a"), "-shared", "-fPIC", "crash.c", "-o", "crash.so"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120, capture_output=True)
    done = start(runner, android, "--library", tmp_path / "crash.so", "--model", model)
    assert "the runtime died of signal 11" in done.stdout


def test_the_ndk_of_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clang with Android's target; a folder that is no NDK is refused by its name."""
    clang = tmp_path / "toolchains/llvm/prebuilt/darwin-x86_64/bin/clang"
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    with pytest.raises(MissingToolError, match="holds no NDK"):
        android_build.find_android_compiler()
    clang.parent.mkdir(parents=True)
    clang.touch()
    found = android_build.find_android_compiler()
    assert found.words == (str(clang), "--target=aarch64-linux-android26")
    monkeypatch.delenv("ANDROID_NDK_HOME")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingToolError, match=r"ANDROID_NDK_HOME .*pip install ziglang"):
        android_build.find_android_compiler()
