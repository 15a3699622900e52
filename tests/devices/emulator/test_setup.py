"""`invoke emulator setup`: what is missing, how to get it, and that nothing installs unasked."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edge_bert.devices.emulator import host_tools, setup
from edge_bert.devices.emulator.host_tools import Tool
from edge_bert.errors import MissingToolError

OLD_QEMU = "#!/bin/sh\n[ $1 = --version ] && echo 'qemu-aarch64 version 7.2.22 (Debian)'\ntrue\n"
HELP = "echo '-plugin file=<file>'\n"


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it, and no ziglang."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(host_tools.importlib.util, "find_spec", lambda _: None)
    return folder


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_names_everything_that_is_missing(empty_path: Path) -> None:
    """On a bare machine every tool is listed, each with its package."""
    lacking = host_tools.find_missing_tools()
    assert {"qemu-aarch64", "adb", "cc", "aarch64-linux-gnu-gcc"} < {t.program for t in lacking}
    argv = setup.install_command(lacking)
    assert {"qemu-user", "adb", "gcc", "gcc-aarch64-linux-gnu"} < set(argv)
    program(empty_path, "qemu-aarch64")
    assert "qemu-aarch64" not in {t.program for t in host_tools.find_missing_tools()}


@pytest.mark.usefixtures("empty_path")
def test_without_root_says_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not install gets the whole command, and nothing is run."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingToolError, match=r"sudo apt-get .*install .*qemu-user"):
        setup.set_up_emulator(print)


def test_installs_what_is_missing(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, apt-get is updated and asked for exactly the missing packages, without questions."""
    log = empty_path / "log"
    program(empty_path, "apt-get", f'#!/bin/sh\necho "$DEBIAN_FRONTEND $@" >>{log}\n')
    (empty_path / "env").symlink_to("/usr/bin/env")
    tool = Tool("qemu-aarch64", "runs", "qemu-user")
    said: list[str] = []
    monkeypatch.delenv("DEBIAN_FRONTEND", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host_tools, "find_missing_tools", lambda: (tool,))
    with pytest.raises(MissingToolError, match=r"yet these lack: qemu-aarch64 \(runs\)"):
        setup.set_up_emulator(said.append)
    assert log.read_text().splitlines() == [
        " update",
        "noninteractive -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends qemu-user",
    ]
    assert said[0] == "Missing: qemu-aarch64 (runs)"


def test_a_failing_apt_is_an_error(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt-get's own word reaches the user."""
    program(empty_path, "apt-get", "#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(MissingToolError, match="no network"):
        setup.set_up_emulator(print)


def test_a_qemu_without_plugins_is_refused(empty_path: Path) -> None:
    """A static QEMU cannot count; the message says which one can."""
    program(empty_path, "qemu-aarch64", OLD_QEMU)
    with pytest.raises(MissingToolError, match="takes no plugins"):
        host_tools.qemu_version()
    program(empty_path, "qemu-aarch64", OLD_QEMU + HELP)
    assert host_tools.qemu_version() == "7.2.22"


def test_a_missing_tool_names_the_command(empty_path: Path) -> None:
    """Whatever is missing at run time, the message says how to get it."""
    assert list(empty_path.iterdir()) == []
    with pytest.raises(MissingToolError, match=r"qemu-aarch64 .*`invoke emulator setup`"):
        host_tools.qemu_version()
