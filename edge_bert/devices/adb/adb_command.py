"""Run the adb program, with a time-out, and say in plain words what went wrong."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Sequence

from edge_bert.devices.device import CompletedCommand
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.installation import task_command
from edge_bert.program_output import TooMuchOutputError, describe_excess, read_output
from edge_bert.stop_signals import held_stops

# What adb says, and what to do then. `{serial}` is the device in question.
FAULTS = (
    (
        "unauthorized",
        "The device {serial} does not trust this computer: unlock it, accept the "
        "debugging prompt on its screen, then try again.",
    ),
    (
        "offline",
        "The device {serial} is offline: reconnect its cable, or run "
        "`adb disconnect` and `adb connect` again.",
    ),
    (
        "no permissions",
        "This user may not open the device {serial}: on Linux, install udev rules "
        "for Android (Debian: `apt-get install android-sdk-platform-tools-common`).",
    ),
    ("more than one device", "Several devices are connected: choose one with --serial."),
    (
        "no devices/emulators found",
        "No device is connected: plug one in with USB debugging on, or run "
        f"`{task_command('emulator start')}`.",
    ),
    (
        "No space left on device",
        "The device {serial} has no room left: free some on it, then try again.",
    ),
    (
        r"device .* not found",
        "The device {serial} is not connected; "
        f"`{task_command('devices')}` lists those that are.",
    ),
)


def find_adb() -> str:
    """The adb program on PATH, else the one that adbutils brings."""
    if path := shutil.which("adb"):
        return path
    try:
        return str(importlib.import_module("adbutils").adb_path())
    except Exception as error:  # adbutils raises its own kinds; without adb all mean the same
        raise MissingToolError(
            f"adb is not on this machine: run `{task_command('emulator setup')}`, "
            "`pip install adbutils`, or install Android's platform tools."
        ) from error


def run_adb(
    arguments: Sequence[str], timeout_s: float, serial: str | None = None
) -> CompletedCommand:
    """Run `adb arguments…`, on the device `serial` if any; a non-zero exit is no error here.

    Raises subprocess.TimeoutExpired after `timeout_s` seconds, and DeviceError where adb cannot be
    started or writes more than is read of a program; adb has been killed then.
    """
    argv = [find_adb(), *(["-s", serial] if serial else []), *arguments]
    process = None
    try:
        with held_stops():  # a signal in between would leave a process that nobody ends
            process = _start_adb(argv)
        stdout, stderr = read_output(process, timeout_s)
    except TooMuchOutputError as error:
        place = f" on {serial}" if serial else ""
        raise DeviceError(f"`adb {arguments[0]}`{place} {describe_excess(error)}") from error
    finally:
        if process is not None:
            if process.poll() is None:
                process.kill()
            process.wait()
    return CompletedCommand(stdout, stderr, process.returncode)


def _start_adb(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, bufsize=0)
    except (OSError, ValueError) as error:
        raise DeviceError(f"adb could not be started: {error}.") from error


def require_adb(arguments: Sequence[str], timeout_s: float, serial: str | None = None) -> str:
    """The standard output of `adb arguments…`; DeviceError when it fails or takes too long."""
    try:
        completed = run_adb(arguments, timeout_s, serial)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"`adb {arguments[0]}` did not end within {timeout_s:g} s; is {serial or 'the device'} "
            "still connected?"
        ) from error
    if completed.exit_code != 0:
        raise describe_adb_error(completed.stderr + completed.stdout, serial)
    return completed.stdout


def describe_adb_error(output: str, serial: str | None) -> DeviceError:
    """The error for adb's `output`: what to do where its message is known, else the message."""
    for pattern, advice in FAULTS:
        if re.search(pattern, output):
            return DeviceError(advice.format(serial=serial or ""))
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    message = next(
        (text for text in reversed(lines) if "error" in text), (lines or ["nothing"])[-1]
    )
    return DeviceError(f"adb failed on {serial or 'the device'}; it said: {message[:300]}")
