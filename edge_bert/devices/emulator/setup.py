"""`invoke emulator setup`: get what the emulator needs; nothing else ever installs anything."""

from __future__ import annotations

import os
import shutil

from edge_bert.devices.emulator import android_root, arm64_root, host_tools, qemu_plugin
from edge_bert.devices.emulator.host_tools import Tool
from edge_bert.errors import MissingToolError
from edge_bert.processes import run_tool
from edge_bert.progress import Progress

INSTALL_TIMEOUT_S = 1200
LOCK_TIMEOUT_S = 300


def set_up_emulator(progress: Progress) -> None:
    """Install the missing tools through apt, build the plugin, fetch the phone's files.

    `progress` gets one line per step. Raises MissingToolError that names every missing tool and
    the command that installs it, where this user may not install or apt fails.
    """
    host_tools.require_linux()
    missing_tools = host_tools.find_missing_tools()
    if missing_tools:
        _install(missing_tools, progress)
    progress(f"QEMU {host_tools.qemu_version()} takes plugins")
    progress(f"The instruction counter is {qemu_plugin.build_plugin().name}")
    root = arm64_root.prepare_base(arm64_root.LIBRARIES)
    progress(f"The ARM64 C library is in {root}")
    arm64_root.prepare_static_qemu()
    progress(f"adbd is in {arm64_root.prepare_base(android_root.PACKAGES)}")


def install_command(missing_tools: tuple[Tool, ...]) -> list[str]:
    """The command that installs `missing_tools` without a question."""
    packages = sorted({name for tool in missing_tools for name in tool.package.split()})
    options = ["-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}"]
    return ["apt-get", *options, "install", "--yes", "--no-install-recommends", *packages]


def describe_missing(missing_tools: tuple[Tool, ...]) -> str:
    """The missing tools on one line, each with its purpose."""
    return ", ".join(f"{tool.program} ({tool.purpose})" for tool in missing_tools)


def _install(missing_tools: tuple[Tool, ...], progress: Progress) -> None:
    argv = install_command(missing_tools)
    if os.geteuid() != 0:
        raise MissingToolError(
            f"Missing: {describe_missing(missing_tools)}. Only root can install; "
            f"run `sudo apt-get update && sudo {' '.join(argv)}`."
        )
    if shutil.which("apt-get") is None:
        raise MissingToolError(
            f"Missing: {describe_missing(missing_tools)}. The emulated phone is made of Debian's "
            "packages: use a machine or a container with Debian 12."
        )
    progress(f"Missing: {describe_missing(missing_tools)}")
    progress(f"Running {' '.join(argv)}")
    update = ["apt-get", "update"]
    run_tool(update, timeout_s=INSTALL_TIMEOUT_S, failure=MissingToolError)
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", *argv]
    run_tool(quiet, timeout_s=INSTALL_TIMEOUT_S, failure=MissingToolError)
    still_missing = host_tools.find_missing_tools()
    if still_missing:
        raise MissingToolError(
            f"apt-get installed its packages, yet these lack: {describe_missing(still_missing)}."
        )
