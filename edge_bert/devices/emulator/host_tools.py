"""The programs of this machine that the emulator needs, and the packages that bring them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass

from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.host_system import name_system
from edge_bert.installation import task_command
from edge_bert.processes import run_tool

QEMU = "qemu-aarch64"
PROBE_TIMEOUT_S = 20


@dataclass(frozen=True)
class Tool:
    """A program, what it is for, and Debian's package of it."""

    program: str
    purpose: str
    package: str


COUNTING = (
    Tool(QEMU, "runs ARM64 programs and takes our plugin", "qemu-user"),
    Tool("setarch", "keeps addresses the same from run to run", "util-linux"),
    Tool("taskset", "keeps programs on the emulated cluster", "util-linux"),
    Tool("apt-get", "gets the phone's C library", "apt"),
    Tool("dpkg-deb", "unpacks the phone's C library", "dpkg"),
)
PHONE = (
    Tool("adb", "talks to the emulated phone", "adb"),
    Tool("unshare", "gives the emulated phone processes of its own", "util-linux"),
    Tool("setpriv", "takes the emulated phone's rights on this machine away", "util-linux"),
    Tool("mount", "gives the emulated phone files of its own", "mount"),
)


def require_linux() -> None:
    """Raise MissingToolError on other systems, which the emulator's QEMU cannot work on."""
    system = name_system()
    if system != "Linux":
        raise MissingToolError(
            f"The emulated phone needs Linux, and this is {system}: use a machine, a virtual "
            "machine or a container with Debian 12. Builds and real phones work here."
        )


def suggest_setup() -> str:
    """What to do where tools are missing, in few words."""
    if name_system() == "Linux":
        return task_command("emulator setup")
    return f"it needs Linux, and this is {name_system()}"


def require_program(program: str) -> str:
    """The path of `program`; MissingToolError, naming how to get it, when it is not there."""
    path = shutil.which(program)
    if path is None:
        raise MissingToolError(
            f"{program} is not on this machine; run `{task_command('emulator setup')}`."
        )
    return path


def find_missing_tools() -> tuple[Tool, ...]:
    """The tools that this machine lacks; empty when the emulator can work."""
    if name_system() != "Linux":
        return (Tool("Linux", f"runs the emulated phone; this is {name_system()}", ""),)
    missing_tools = [tool for tool in COUNTING + PHONE if shutil.which(tool.program) is None]
    if find_compiler() is None:
        missing_tools.append(Tool("cc", "compiles the instruction counter", "gcc libc6-dev"))
    cross = shutil.which("aarch64-linux-gnu-gcc") or importlib.util.find_spec("ziglang")
    if not cross:
        packages = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
        missing_tools.append(
            Tool("aarch64-linux-gnu-gcc", "compiles the runner for ARM64", packages)
        )
    return tuple(missing_tools)


def find_compiler() -> tuple[str, ...] | None:
    """A C compiler for this machine as the start of a command line, None where there is none."""
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return (path,)
    if importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    return None


def qemu_version() -> str:
    """The version of a QEMU that takes plugins; MissingToolError where there is none."""
    require_linux()
    qemu = require_program(QEMU)
    if "-plugin" not in _query(qemu, "--help"):
        raise MissingToolError(
            f"{qemu} takes no plugins (Debian's packages from 13 on do not); "
            "use the qemu-user package of Debian 12."
        )
    _, _, text = _query(qemu, "--version").partition("version ")
    return text.split()[0] if text.split() else "of unknown version"


def _query(program: str, option: str) -> str:
    return run_tool([program, option], timeout_s=PROBE_TIMEOUT_S, failure=DeviceError)
