"""Other systems than Linux: their names, the calls that they lack, and what works without them.

`tests/other_host.py` removes those calls and fakes the names; real Macs and Windows machines were
not at hand.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edge_bert
from edge_bert import host_system, processes
from edge_bert.errors import VerificationError
from tests.other_host import LINUX_CALLS, POSIX_CALLS, POSIX_MODULES
from tests.pipeline.small_bundle import small_bundle

PACKAGE = Path(edge_bert.__file__).parent
ROOT = PACKAGE.parent
# The homes of such calls, and the emulator, which is for Linux and says so.
# Scripts of workers import nothing of edge_bert; they and `trust.py` ask first what there is.
HOMES = (
    "host_system.py",
    "processes.py",
    "stop_signals.py",
    "devices/emulated.py",
    "devices/emulator/",
    "store/trust.py",
    "runtimes/worker_process.py",
    "formats/huggingface/tokenizer_trial_worker.py",
)
HOSTS = ("Windows AMD64", "Darwin x86_64")
# What build, push and bench import, with the runner built and its C library and runtime found.
USE_ALL = """
import importlib, sys
from tests.other_host import fake_host
fake_host(*sys.argv[1:3])
for name in ("build.build", "sizing.fit_to_budget", "bench.bench", "bench.push", "verify"):
    importlib.import_module(f"edge_bert.pipeline.{name}")
from edge_bert.devices.host_abilities import list_abilities
from edge_bert.devices.runner import build, c_library, library
from edge_bert.host_system import name_machine_type, name_system
c_library.find_c_library("arm64-v8a")
runner = build.build_runner("arm64-v8a")
words = " ".join(build.find_compiler("arm64-v8a"))
answers = {row.name: row.status for row in list_abilities()}
print(name_system(), name_machine_type(), runner, words, answers, sep="|")
"""


@pytest.mark.parametrize(
    ("system", "machine", "names"),
    [
        ("Darwin", "arm64", ("macOS", "arm64")),
        ("Windows", "AMD64", ("Windows", "x86_64")),
        ("Windows", "ARM64", ("Windows", "arm64")),
        ("Linux", "aarch64", ("Linux", "arm64")),
        ("FreeBSD", "riscv64", ("FreeBSD", "riscv64")),
        ("", "", ("an unknown system", "an unknown processor")),
    ],
)
def test_one_name_for_each_processor(
    system: str, machine: str, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a system calls it."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert (host_system.name_system(), host_system.name_machine_type()) == names


def test_calls_of_one_system_stand_in_their_homes() -> None:
    """No other module names what Windows or macOS lack, or imports such a module."""
    strays = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(HOMES):
            strays += [f"{name}: {call}" for call in _list_calls(path)]
    assert strays == []


def _list_calls(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    calls = re.findall(r"\b(?:os|signal)\.(\w+)", text)
    imported = re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE)
    members = re.findall(r"^\s*from (?:os|signal) import (.+)", text, re.MULTILINE)
    lacking = LINUX_CALLS | POSIX_CALLS
    names = [name for name in (*calls, *re.findall(r"\w+", " ".join(members))) if name in lacking]
    return names + [name for name in imported if name in POSIX_MODULES]


@pytest.mark.parametrize("host", HOSTS)
def test_the_ways_to_a_phone_need_no_call_of_linux(host: str) -> None:
    """Imported and used as on that system: the runner is built for the phone, never for the host;
    what only the emulator needs is refused by the system's name."""
    system, machine = host.split()
    script = [sys.executable, "-c", USE_ALL, system, machine]
    completed = subprocess.run(
        script, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    named_system, named_machine, runner, words, answers = completed.stdout.split("|")
    assert named_system == {"Darwin": "macOS"}.get(system, system)
    assert named_machine == ("x86_64" if machine in ("AMD64", "x86_64") else "arm64")
    assert Path(runner).read_bytes()[18:20] == (183).to_bytes(2, "little")  # ELF's ARM64
    assert "aarch64-linux-gnu" in words  # a cross-compiler or zig's target
    assert "'bench --target emulated': 'missing'" in answers
    assert "'bench --target host': 'missing'" in answers
    assert "'push, bench --target device': 'ok'" in answers
    # LiteRT and TensorFlow are published for no Intel Mac.
    assert f"'build': '{'missing' if system == 'Darwin' else 'ok'}'" in answers


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["emulator", "start", "--profile", "pixel-9"], "needs Linux, and this is Windows"),
        (["bench", "--profile", "pixel-9", "--target", "host"], "not on Windows"),
    ],
)
def test_what_runs_on_linux_alone_is_refused_by_the_systems_name(
    words: list[str], says: str, tmp_path: Path
) -> None:
    """In one line."""
    small_bundle(tmp_path)
    out = ["--out", str(tmp_path)] if words[0] == "bench" else []
    completed = subprocess.run(
        [sys.executable, "-m", "tests.other_host", "Windows", "AMD64", *words, *out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode != 0
    assert says in completed.stderr
    assert "Traceback" not in completed.stderr


def test_a_program_is_ended_without_process_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Windows' way: the tree by taskkill, then the program itself."""
    log = tmp_path / "log"
    taskkill = tmp_path / "taskkill"
    taskkill.write_text(f'#!/bin/sh\necho "$@" >{log}\n')
    taskkill.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delattr(os, "killpg")
    with pytest.raises(VerificationError, match="did not end within"):
        processes.run_process(["sleep", "600"], timeout_s=0.2, failure=VerificationError)
    assert log.read_text().startswith("/F /T /PID ")


def test_two_folders_change_places_only_where_the_system_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On Windows there is no C library by the name None; nothing is asked of it."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    assert not host_system.exchange_folders(tmp_path / "one", tmp_path / "two")


def test_windows_flushes_a_file_that_may_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its handle is open for writing, without a change of the bytes."""
    modes = []
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r": (modes.append(mode), real(self, mode))[1]
    )
    (tmp_path / "file").write_bytes(b"whole")
    modes.clear()
    host_system.flush_file(tmp_path / "file")
    assert modes == ["r+b"]
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_program_is_executable_whatever_the_disk_keeps(tmp_path: Path) -> None:
    """It is known by its content; other files stay as they are."""
    for name, head in (("program", b"\x7fELF"), ("model", b"TFL3")):
        (tmp_path / name).write_bytes(head)
        (tmp_path / name).chmod(0o644)
    assert host_system.read_file_mode(tmp_path / "program") == 0o755
    assert host_system.read_file_mode(tmp_path / "model") == 0o644
