"""A device that adb sees.

Everything goes through the adb program. adbutils' own push writes with `send` on a socket with a
time-out, which may write a part of a block only, and a model must arrive whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shlex
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.devices.adb.adb_command import describe_adb_error, require_adb, run_adb
from edge_bert.devices.adb.device_facts import parse_properties
from edge_bert.devices.adb.list_devices import choose_device, reconnect_device
from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.pulled_file import pulled_file
from edge_bert.errors import DeviceError
from edge_bert.host_system import read_file_mode
from edge_bert.records.measurement import DeviceDescription, Evidence

BASE = "/data/local/tmp/edge_bert"
SHELL_TIMEOUT_S = 60
KILL_TIMEOUT_S = 15
ATTEMPTS = 3
# The slowest link that is worth waiting for, in bytes per second.
SLOWEST = 500_000
# The largest file that is pulled: the log and the trace of a session are read into memory.
MAX_PULL_BYTES = 256 * 1024 * 1024
NOT_EXECUTABLE = ("not executable:", "Exec format error", "cannot execute")
PROPERTIES = (
    "ro.build.id",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.product.cpu.abi",
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.soc.model",
)
EMULATOR_MARKS = ("ro.kernel.qemu", "ro.boot.qemu")


@dataclass(frozen=True)
class FileContent:
    """Size and SHA-256 of a file."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size} bytes with sha256 {self.sha256}"


class AdbDevice:
    """The device `serial` (default: the only one connected).

    A pushed file lies in a folder named by its content and appears as a link in a folder of this
    object. With `keep`, the contents stay on the device and need not be pushed again.
    """

    def __init__(self, serial: str | None = None, *, keep: bool = False) -> None:
        self.serial = choose_device(serial).serial
        self._keep = keep
        self._folder = f"{BASE}/session-{secrets.token_hex(8)}"
        self._pushed_folders: list[str] = []

    def push(self, local: Path, name: str) -> str:
        """Copy `local` there, verified by size and sha256; pushed again where that fails."""
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise DeviceError(f"{name!r} is not a file name; push needs one without folders.")
        content, mode = _hash_file(local)
        folder = f"{BASE}/{content.sha256}"
        stored, link = f"{folder}/{name}", f"{self._folder}/{name}"
        if self._read_content(stored) != content:
            self._pushed_folders.append(folder)
            partial = self._push_verified(local, folder, content)
            self._require(f"mv {partial} {shlex.quote(stored)}")
        self._require(
            f"chmod {mode:o} {shlex.quote(stored)} && mkdir -p {self._folder} && "
            f"ln -sf {shlex.quote(stored)} {shlex.quote(link)}"
        )
        return link

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """Run a command in this object's folder; at the time-out it is killed on the device."""
        token = secrets.token_hex(8)
        pid_file = f"{self._folder}/.{token}"
        command = f"echo $$ >{pid_file}; cd {self._folder} && {shlex.join(argv)}"
        try:
            completed = self._shell(f"mkdir -p {self._folder}; {command}", timeout_s)
        except subprocess.TimeoutExpired as error:
            self._kill(pid_file)
            raise DeviceError(f"{argv[0]} did not end within {timeout_s:g} s; killed.") from error
        except DeviceError:
            with contextlib.suppress(DeviceError):
                reconnect_device(self.serial)
            self._kill(pid_file)
            raise
        if completed.exit_code == 126 and any(mark in completed.stderr for mark in NOT_EXECUTABLE):
            raise DeviceError(
                f"{argv[0]} cannot run on {self.serial}: {completed.stderr.strip()[-200:]}"
            )
        return completed

    def install_app(self, package: Path) -> None:
        """Install an app from this machine, also over another version of it."""
        arguments = ["install", "-r", "-d", "-g", str(package.absolute())]
        require_adb(arguments, _transfer_timeout(package.stat().st_size), self.serial)

    def find_stored(self, link: str) -> str:
        """Where a pushed file stays, with `keep`, once this object's own folder is gone."""
        return self._require(f"readlink -f {shlex.quote(link)}").strip()

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from there, verified; `local` appears whole or not at all."""
        expected = self._read_content(remote)
        if expected is None:
            raise DeviceError(f"{remote} is not a readable file on {self.serial}.")
        if expected.size > MAX_PULL_BYTES:
            raise DeviceError(
                f"{remote} on {self.serial} has {expected.size} bytes; more than "
                f"{MAX_PULL_BYTES} are not pulled."
            )
        with pulled_file(remote, local) as partial:
            arguments = ["pull", remote, str(partial.absolute())]
            require_adb(arguments, _transfer_timeout(expected.size), self.serial)
            if _hash_file(partial)[0] != expected:
                raise DeviceError(f"{remote} changed while it was pulled; try again.")

    def describe(self) -> DeviceDescription:
        """The device by its own properties; an emulator is labelled as emulated."""
        return self.describe_from(self._require("getprop"), self._require("cat /proc/cpuinfo"))

    def describe_from(self, properties: str, cpuinfo: str) -> DeviceDescription:
        """The device by what `getprop` and /proc/cpuinfo have said of it."""
        reported = parse_properties(properties)
        name = name_machine(reported.get("ro.serialno", ""), self.serial)
        phone = describe_phone(reported, cpuinfo, name)
        # The address of an emulated phone is of this machine and tells nobody's number.
        emulated = phone.evidence is Evidence.EMULATED
        return msgspec.structs.replace(phone, name=self.serial) if emulated else phone

    def close(self) -> None:
        """Remove what was pushed, as far as the device can still be reached."""
        folders = [self._folder, *([] if self._keep else self._pushed_folders)]
        with contextlib.suppress(DeviceError, subprocess.TimeoutExpired):
            self._shell(f"rm -rf {shlex.join(folders)}", SHELL_TIMEOUT_S)
        self._pushed_folders = []

    def remove_everything(self) -> None:
        """Remove all files of edge-bert from the device."""
        self._require(f"rm -rf {BASE}")

    def _push_verified(self, local: Path, folder: str, content: FileContent) -> str:
        """Push under a temporary name in `folder` until the content is right; the path there."""
        partial = f"{folder}/.partial-{secrets.token_hex(4)}"
        arguments = ["push", str(local.absolute()), partial]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                require_adb(arguments, _transfer_timeout(content.size), self.serial)
                arrived = self._read_content(partial)
            except DeviceError as error:
                self._remove(partial)
                if attempt == ATTEMPTS or "no room left" in str(error):
                    raise
            else:
                if arrived == content:
                    return partial
                self._remove(partial)
        raise DeviceError(
            f"{local.name} did not arrive whole on {self.serial}: {arrived} instead of {content}."
        )

    def _remove(self, remote: str) -> None:
        """Remove a broken copy; DeviceError when the device was lost and does not come back."""
        reconnect_device(self.serial)
        self._require(f"rm -f {shlex.quote(remote)}")

    def _read_content(self, remote: str) -> FileContent | None:
        """Size and sha256 of a file on the device; None when there is no such file."""
        # Reading from standard input keeps the file's name out of the answer.
        quoted = shlex.quote(remote)
        completed = self._run_shell(f"test -f {quoted} && wc -c <{quoted} && sha256sum <{quoted}")
        answer = re.match(r"\s*([0-9]{1,15})\s+([0-9a-f]{64})\b", completed.stdout)
        if answer:
            return FileContent(int(answer[1]), answer[2])
        if completed.exit_code == 127 or "sha256sum" in completed.stderr:
            raise DeviceError(f"{self.serial} has no sha256sum; a push cannot be verified there.")
        return None

    def _kill(self, pid_file: str) -> None:
        """End a command with all that it started: adbd gives each command a process group."""
        with contextlib.suppress(DeviceError, subprocess.TimeoutExpired):
            kill = f"test -f {pid_file} && kill -KILL -- -$(cat {pid_file}); rm -f {pid_file}"
            self._shell(kill, KILL_TIMEOUT_S)

    def _require(self, command: str) -> str:
        completed = self._run_shell(command)
        if completed.exit_code != 0:
            output = completed.stderr or completed.stdout
            raise describe_adb_error(output or f"exit status {completed.exit_code}", self.serial)
        return completed.stdout

    def _run_shell(self, command: str) -> CompletedCommand:
        try:
            return self._shell(command, SHELL_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"{self.serial} did not answer within {SHELL_TIMEOUT_S} s."
            ) from error

    def _shell(self, command: str, timeout_s: float) -> CompletedCommand:
        """Run `command` in the device's shell.

        The exit status comes behind a token on standard error: adb's own exit status is 1 for its
        own failures too, and always 0 on old devices. No token means that the connection was lost.
        """
        token = secrets.token_hex(8)
        script = f'( {command} ); echo "\n{token} $?" >&2'
        completed = run_adb(["shell", script], timeout_s, self.serial)
        trailer = re.compile(rf"\r?\n{token} (\d{{1,3}})\r?\n")
        status = trailer.search(completed.stderr) or trailer.search(completed.stdout)
        if status is None:
            reason = completed.stderr.strip() or "the connection was lost"
            raise describe_adb_error(reason, self.serial)
        stdout, stderr = trailer.sub("", completed.stdout), trailer.sub("", completed.stderr)
        return CompletedCommand(stdout, stderr, int(status[1]))


def describe_phone(reported: Mapping[str, str], cpuinfo: str, name: str) -> DeviceDescription:
    """A phone by its properties and `/proc/cpuinfo`; an emulator is labelled as emulated."""
    properties = {key: reported.get(key, "") for key in PROPERTIES + EMULATOR_MARKS}
    emulated = any(properties.pop(mark, "") == "1" for mark in EMULATOR_MARKS)
    features = re.search(r"^Features\s*:(.*)$", cpuinfo, re.MULTILINE)
    return DeviceDescription(
        evidence=Evidence.EMULATED if emulated else Evidence.DEVICE,
        name=name,
        abi=properties.get("ro.product.cpu.abi", ""),
        system=f"Android {properties.get('ro.build.version.release', '')}".strip(),
        cores=len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)),
        features=tuple(features[1].split()) if features else (),
        properties={key: value for key, value in properties.items() if value},
    )


def name_machine(number: str, serial: str) -> str:
    """A name of a phone that tells it from others and its serial number to nobody.

    `number` is the phone's own, the same over USB, Wi-Fi and mDNS; without one, `serial`, adb's
    name for the connection, stands in.
    """
    announced = re.match(r"adb-(.+)-[^-]*\._adb", serial)
    own = number or (announced[1] if announced else serial)
    return f"phone-{hashlib.sha256(f'edge-bert {own}'.encode()).hexdigest()[:8]}"


def _hash_file(local: Path) -> tuple[FileContent, int]:
    """Size and sha256 of a file of this machine, and its mode."""
    try:
        with local.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DeviceError(f"{local} is not a file.")
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return FileContent(status.st_size, digest), read_file_mode(local)
    except OSError as error:
        raise DeviceError(f"{local} cannot be read: {error.strerror}.") from error


def _transfer_timeout(size: int) -> float:
    return SHELL_TIMEOUT_S + size / SLOWEST
