"""`invoke emulator setup`: get what the emulator needs; nothing else ever installs anything."""

from __future__ import annotations

import os
from collections.abc import Callable

from edge_bert.errors import MissingToolError
from edge_bert.targets import emulator_device, emulator_plugin, emulator_root, emulator_tools
from edge_bert.targets.emulator_tools import Tool
from edge_bert.targets.tool import run_tool

INSTALL_TIMEOUT_S = 1200
LOCK_TIMEOUT_S = 300
Progress = Callable[[str], None]


def setup(progress: Progress) -> None:
    """Install the missing tools through apt, build the plugin, fetch the phone's files.

    `progress` gets one line per step. Raises MissingToolError that names every missing tool and
    the command that installs it, where this user may not install or apt fails.
    """
    lacking = emulator_tools.missing_tools()
    if lacking:
        _install(lacking, progress)
    progress(f"QEMU {emulator_tools.qemu_version()} takes plugins")
    progress(f"The instruction counter is {emulator_plugin.plugin().name}")
    root = emulator_root.base_root(emulator_root.LIBRARIES)
    progress(f"The ARM64 C library is in {root}")
    emulator_root.static_qemu()
    progress(f"adbd is in {emulator_root.base_root(emulator_device.PACKAGES)}")


def install_command(lacking: tuple[Tool, ...]) -> list[str]:
    """The command that gets `lacking`, without asking back."""
    packages = sorted({name for tool in lacking for name in tool.package.split()})
    options = ["-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}"]
    return ["apt-get", *options, "install", "--yes", "--no-install-recommends", *packages]


def explain(lacking: tuple[Tool, ...]) -> str:
    """One line: what is missing and why."""
    return ", ".join(f"{tool.program} ({tool.purpose})" for tool in lacking)


def _install(lacking: tuple[Tool, ...], progress: Progress) -> None:
    argv = install_command(lacking)
    if os.geteuid() != 0:
        raise MissingToolError(
            f"Missing: {explain(lacking)}. Only root can install; "
            f"run `sudo apt-get update && sudo {' '.join(argv)}`."
        )
    emulator_tools.require("apt-get")
    progress(f"Missing: {explain(lacking)}")
    progress(f"Running {' '.join(argv)}")
    update = ["apt-get", "update"]
    run_tool(update, timeout_s=INSTALL_TIMEOUT_S, failure=MissingToolError)
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", *argv]
    run_tool(quiet, timeout_s=INSTALL_TIMEOUT_S, failure=MissingToolError)
    still = emulator_tools.missing_tools()
    if still:
        raise MissingToolError(f"apt-get installed its packages, yet these lack: {explain(still)}.")
