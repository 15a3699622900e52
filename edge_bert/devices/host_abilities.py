"""What this computer can do with phones, and how its own package manager gets what it lacks."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable

from edge_bert.devices.adb.adb_command import find_adb
from edge_bert.devices.emulator.host_tools import find_missing_tools, qemu_version
from edge_bert.devices.runner.android_build import find_android_compiler
from edge_bert.devices.runner.build import find_compiler, host_abi
from edge_bert.errors import EdgeBertError, MissingToolError
from edge_bert.host_system import (
    explain_missing_runtimes,
    name_machine_type,
    name_system,
    runs_as_root,
)
from edge_bert.records.doctor import MachineFinding

# libLiteRt.so, benchmark_model and accelerators; VERSION is LiteRT's, such as 2.3.0.
ANDROID_BUILDS = "https://storage.googleapis.com/litert/binaries/VERSION/android_arm64/"
PHONE_ABI = "arm64-v8a"
# The first manager that is there, its command, and its names of what `doctor` looks for.
MANAGERS = (
    ("apt-get", "apt install", {"adb": "adb", "qemu-user": "qemu-user", "chromium": "chromium"}),
    ("dnf", "dnf install", {"adb": "android-tools", "chromium": "chromium"}),
    ("pacman", "pacman -S", {"adb": "android-tools", "chromium": "chromium"}),
    ("brew", "brew install --cask", {"adb": "android-platform-tools", "chromium": "chromium"}),
    ("winget", "winget install", {"adb": "Google.PlatformTools", "chromium": "Google.Chrome"}),
)
BY_HAND = {
    "adb": "install Android's platform tools",
    "qemu-user": "use a machine or a container with Debian 12",
    "chromium": "install Chromium",
}


def suggest_install(program: str) -> str:
    """How to get a program of BY_HAND here; empty for one that needs no hint."""
    for manager, command, packages in MANAGERS:
        if shutil.which(manager) and program in packages:
            return f"{command} {packages[program]}"
    return BY_HAND.get(program, "")


def list_abilities() -> tuple[MachineFinding, ...]:
    """Each kind of work that needs more than Python, with what it runs on or what it lacks."""
    return (
        _judge_build(),
        _judge("push, bench --target device", _find_phone_tools),
        _judge("--runtime-library of an app", _find_android_tools),
        _judge("bench --target host", lambda: f"this machine, {host_abi()}"),
        _judge("bench --target emulated", _find_counting_tools),
        _judge("emulator start", _find_emulator),
    )


def _judge_build() -> MachineFinding:
    modules = ("tensorflow", "ai_edge_litert")
    if all(map(importlib.util.find_spec, modules)):
        detail = f"{name_system()} on {name_machine_type()}"
        return MachineFinding(name="build", status="ok", detail=detail)
    detail = explain_missing_runtimes()
    return MachineFinding(name="build", status="missing", detail=detail)


def _judge(name: str, look: Callable[[], str]) -> MachineFinding:
    """`look` says what the work runs on, or raises what it lacks and how to get that."""
    try:
        return MachineFinding(name=name, status="ok", detail=look())
    except EdgeBertError as error:
        return MachineFinding(name=name, status="missing", detail=str(error))


def _find_phone_tools() -> str:
    compiler = find_compiler(PHONE_ABI)
    zig = "ziglang" in compiler
    return f"{find_adb()}; the runner by {'zig' if zig else compiler[0]}"


def _find_android_tools() -> str:
    return (
        f"the runner by {find_android_compiler().origin}; Google's Android builds of LiteRT are at "
        f"{ANDROID_BUILDS}"
    )


def _find_counting_tools() -> str:
    version = qemu_version()
    missing = find_missing_tools()
    if missing:
        raise MissingToolError(f"{', '.join(tool.program for tool in missing)} not on this machine")
    return f"QEMU {version}"


def _find_emulator() -> str:
    tools = _find_counting_tools()
    if not runs_as_root():
        raise MissingToolError("Only root can start the emulated phone.")
    return f"{tools}, as root"
