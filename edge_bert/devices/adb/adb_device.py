"""A device that adb sees, as a target.

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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.adb.adb_command import describe_adb_error, require_adb, run_adb
from edge_bert.devices.adb.list_devices import choose_device, reconnect_device
from edge_bert.devices.device import CompletedCommand
from edge_bert.errors import DeviceError
from edge_bert.records.measurement import DeviceDescription, Evidence

BASE = "/data/local/tmp/edge_bert"
SHELL_TIMEOUT_S = 60
KILL_TIMEOUT_S = 15
ATTEMPTS = 3
# The slowest link that is worth waiting for, in bytes per second.
SLOWEST = 500_000
NOT_EXECUTABLE = ("not executable:", "Exec format error", "cannot execute")
PROPERTIES = (
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.product.cpu.abi",
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.serialno",
    "ro.soc.model",
)
EMULATOR_MARKS = ("ro.kernel.qemu", "ro.boot.qemu")


@dataclass(frozen=True)
class FileContent:
    """What a file holds, as far as it can be compared with another machine."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size} bytes with sha256 {self.sha256}"


class AdbDevice:
    """The device `serial` (default: the only one connected).

    A pushed file lies in a folder named by its content and appears, linked, in this session's own
    folder. With `keep`, the contents stay on the device and need not be pushed again.
    """

    def __init__(self, serial: str | None = None, *, keep: bool = False) -> None:
        self.serial = choose_device(serial).serial
        self._keep = keep
        self._folder = f"{BASE}/session-{secrets.token_hex(8)}"
        self._made: list[str] = []

    def push(self, local: Path, name: str) -> str:
        """Copy `local` there, verified by size and sha256; pushed again where that fails."""
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise DeviceError(f"{name!r} is not a file name; push needs one without folders.")
        content, mode = _content(local)
        folder = f"{BASE}/{content.sha256}"
        stored, link = f"{folder}/{name}", f"{self._folder}/{name}"
        if self._content_there(stored) != content:
            self._made.append(folder)
            partial = self._push_verified(local, folder, content)
            self._must(f"mv {partial} {shlex.quote(stored)}")
        self._must(
            f"chmod {mode:o} {shlex.quote(stored)} && mkdir -p {self._folder} && "
            f"ln -sf {shlex.quote(stored)} {shlex.quote(link)}"
        )
        return link

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """Run a command in this session's folder; at the time-out it is killed on the device."""
        token = secrets.token_hex(8)
        pid_file = f"{self._folder}/.{token}"
        command = f"echo $$ >{pid_file}; cd {self._folder} && {shlex.join(argv)}"
        try:
            done = self._shell(f"mkdir -p {self._folder}; {command}", timeout_s)
        except subprocess.TimeoutExpired as error:
            self._kill(pid_file)
            raise DeviceError(f"{argv[0]} did not end within {timeout_s:g} s; killed.") from error
        except DeviceError:
            with contextlib.suppress(DeviceError):
                reconnect_device(self.serial)
            self._kill(pid_file)
            raise
        if done.exit_code == 126 and any(mark in done.stderr for mark in NOT_EXECUTABLE):
            raise DeviceError(
                f"{argv[0]} cannot run on {self.serial}: {done.stderr.strip()[-200:]}"
            )
        return done

    def stored(self, link: str) -> str:
        """Where a pushed file stays, with `keep`, when this session's own folder is gone."""
        return self._must(f"readlink -f {shlex.quote(link)}").strip()

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from there, verified; `local` appears whole or not at all."""
        expected = self._content_there(remote)
        if expected is None:
            raise DeviceError(f"{remote} is not a readable file on {self.serial}.")
        partial = local.with_name(f".{local.name[:200]}.{os.getpid()}.partial")
        try:
            words = ["pull", remote, str(partial.absolute())]
            require_adb(words, _transfer_timeout(expected.size), self.serial)
            if _content(partial)[0] != expected:
                raise DeviceError(f"{remote} changed while it was pulled; try again.")
            partial.replace(local)
        except OSError as error:
            raise DeviceError(f"{remote} could not be pulled: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    def describe(self) -> DeviceDescription:
        """What the device says that it is. An emulator is labelled as emulated."""
        asked = "; ".join(f"getprop {name}" for name in PROPERTIES + EMULATOR_MARKS)
        lines = self._must(asked).splitlines()
        said = dict(
            zip(PROPERTIES + EMULATOR_MARKS, (line.strip() for line in lines), strict=False)
        )
        emulated = any(said.pop(mark, "") == "1" for mark in EMULATOR_MARKS)
        cpu = self._must("cat /proc/cpuinfo")
        features = re.search(r"^Features\s*:(.*)$", cpu, re.MULTILINE)
        return DeviceDescription(
            evidence=Evidence.EMULATED if emulated else Evidence.DEVICE,
            name=self.serial,
            abi=said.get("ro.product.cpu.abi", ""),
            system=f"Android {said.get('ro.build.version.release', '')}".strip(),
            cores=len(re.findall(r"^processor\s*:", cpu, re.MULTILINE)),
            features=tuple(features[1].split()) if features else (),
            properties={name: value for name, value in said.items() if value},
        )

    def close(self) -> None:
        """Remove what this session pushed, as far as the device can still be reached."""
        folders = [self._folder, *([] if self._keep else self._made)]
        with contextlib.suppress(DeviceError, subprocess.TimeoutExpired):
            self._shell(f"rm -rf {shlex.join(folders)}", SHELL_TIMEOUT_S)
        self._made = []

    def remove_everything(self) -> None:
        """Remove all that any session ever left on the device."""
        self._must(f"rm -rf {BASE}")

    def _push_verified(self, local: Path, folder: str, content: FileContent) -> str:
        """Push into `folder` under a name of its own until the content is right; that path."""
        partial = f"{folder}/.partial-{secrets.token_hex(4)}"
        words = ["push", str(local.absolute()), partial]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                require_adb(words, _transfer_timeout(content.size), self.serial)
                there = self._content_there(partial)
            except DeviceError as error:
                self._remove(partial)
                if attempt == ATTEMPTS or "no room left" in str(error):
                    raise
            else:
                if there == content:
                    return partial
                self._remove(partial)
        raise DeviceError(
            f"{local.name} did not arrive whole on {self.serial}: {there} instead of {content}."
        )

    def _remove(self, remote: str) -> None:
        """Remove a broken copy; DeviceError when the device was lost and does not come back."""
        reconnect_device(self.serial)
        self._must(f"rm -f {shlex.quote(remote)}")

    def _content_there(self, remote: str) -> FileContent | None:
        """Size and sha256 of a file on the device; None when there is no such file."""
        # Reading from standard input keeps the file's name out of the answer.
        quoted = shlex.quote(remote)
        done = self._asked(f"test -f {quoted} && wc -c <{quoted} && sha256sum <{quoted}")
        answer = re.match(r"\s*(\d+)\s+([0-9a-f]{64})\b", done.stdout)
        if answer:
            return FileContent(int(answer[1]), answer[2])
        if done.exit_code == 127 or "sha256sum" in done.stderr:
            raise DeviceError(f"{self.serial} has no sha256sum; a push cannot be verified there.")
        return None

    def _kill(self, pid_file: str) -> None:
        """End a command with all that it started: adbd gives each command a process group."""
        with contextlib.suppress(DeviceError, subprocess.TimeoutExpired):
            end = f"test -f {pid_file} && kill -KILL -- -$(cat {pid_file}); rm -f {pid_file}"
            self._shell(end, KILL_TIMEOUT_S)

    def _must(self, command: str) -> str:
        done = self._asked(command)
        if done.exit_code != 0:
            raise describe_adb_error(
                done.stderr or done.stdout or f"exit status {done.exit_code}", self.serial
            )
        return done.stdout

    def _asked(self, command: str) -> CompletedCommand:
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
        done = run_adb(["shell", script], timeout_s, self.serial)
        end = re.compile(rf"\r?\n{token} (\d+)\r?\n")
        answer = end.search(done.stderr) or end.search(done.stdout)
        if answer is None:
            raise describe_adb_error(done.stderr.strip() or "the connection was lost", self.serial)
        return CompletedCommand(end.sub("", done.stdout), end.sub("", done.stderr), int(answer[1]))


def _content(local: Path) -> tuple[FileContent, int]:
    try:
        with local.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DeviceError(f"{local} is not a file.")
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DeviceError(f"{local} cannot be read: {error.strerror}.") from error
    return FileContent(status.st_size, digest), status.st_mode & 0o777


def _transfer_timeout(size: int) -> float:
    return SHELL_TIMEOUT_S + size / SLOWEST
