"""A Linux board behind ssh, through the system's own `ssh` and `scp`.

Keys, names and ports are those of the user's ssh configuration; nothing is asked and no password is
taken. Files go into a folder of our own there, which goes again.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import secrets
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from edge_bert.devices.board_facts import describe_board
from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.pulled_file import pulled_file
from edge_bert.errors import DeviceError, InputError, MissingToolError
from edge_bert.host_system import read_file_mode
from edge_bert.processes import run_process
from edge_bert.records.measurement import DeviceDescription

HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,253}")
# Never a question, and never a wait that has no end.
OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15")
SHELL_TIMEOUT_S = 60.0
SPARE_S = 30.0
# The slowest link that is worth waiting for, in bytes per second.
SLOWEST = 200_000
TIMED_OUT = 124
FAULTS = (
    ("Permission denied", "{host} lets nobody in without a password; run `ssh-copy-id {host}`."),
    ("Host key verification failed", "{host} is not known here; connect once with `ssh {host}`."),
    ("REMOTE HOST IDENTIFICATION", "{host} has another key than before; see `ssh {host}`."),
    ("Could not resolve", "No machine is called {host}; see the Host entries of ~/.ssh/config."),
    ("refused", "{host} has no ssh server running; on a Raspberry Pi turn it on in raspi-config."),
)


class SshDevice:
    """The board `host`, as `ssh` knows it: `pi@raspberrypi.local`, or a Host of ~/.ssh/config."""

    def __init__(self, host: str) -> None:
        if not HOST.fullmatch(host):
            raise InputError(f"--host {host[:80]!r} is no machine; give one as in pi@raspberrypi.")
        for program in ("ssh", "scp"):
            if not shutil.which(program):
                raise MissingToolError(f"{program} is not on this machine; install OpenSSH.")
        self.host = host
        self._folder = f"/tmp/edge_bert-{secrets.token_hex(8)}"  # noqa: S108 -- 64 random bits
        self._require(f"umask 077; mkdir {self._folder}")

    def push(self, local: Path, name: str) -> str:
        """Copy a file there, verified by size and sha256; the path it has there."""
        if name in ("", ".", "..") or "/" in name or not name.isprintable():
            raise DeviceError(f"{name!r} is not a file name; push needs one without folders.")
        remote, partial = f"{self._folder}/{name}", f"{self._folder}/.{secrets.token_hex(4)}"
        try:
            status, digest = local.stat(), _hash(local)
        except OSError as error:
            raise DeviceError(f"{local} cannot be read: {error.strerror}.") from error
        self._copy(str(local.absolute()), f"{self.host}:{partial}", status.st_size)
        answer = self._require(f"wc -c <{partial} && sha256sum <{partial}").split()
        if answer[:2] != [str(status.st_size), digest]:
            raise DeviceError(f"{local.name} did not arrive whole on {self.host}; push it again.")
        mode = f"{read_file_mode(local):o}"
        self._require(f"chmod {mode} {partial} && mv {partial} {shlex.quote(remote)}")
        return remote

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """Run a command in the folder to its end; at the time-out it is ended there too."""
        seconds = max(1, math.ceil(timeout_s))
        command = f"cd {self._folder} && exec timeout -k 5 {seconds} {shlex.join(argv)}"
        completed = self._shell(command, timeout_s + SPARE_S)
        if completed.exit_code == TIMED_OUT:
            raise DeviceError(f"{argv[0]} did not end within {timeout_s:g} s on {self.host}.")
        return completed

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from there; `local` appears whole or not at all."""
        path = remote if remote.startswith("/") else f"{self._folder}/{remote}"
        quoted = shlex.quote(path)
        size, digest = self._require(f"wc -c <{quoted} && sha256sum <{quoted}").split()[:2]
        with pulled_file(remote, local) as partial:
            self._copy(f"{self.host}:{path}", str(partial.absolute()), int(size))
            if _hash(partial) != digest:
                raise DeviceError(f"{remote} changed while it was pulled; try again.")

    def describe(self) -> DeviceDescription:
        """The board by its own files; its name is a hash of its machine's number."""
        return describe_board(self, self.host)

    def close(self) -> None:
        """Remove the folder, as far as the board can still be reached."""
        with contextlib.suppress(DeviceError):
            self._require(f"rm -rf {self._folder}")

    def _copy(self, source: str, target: str, size: int) -> None:
        argv = ["scp", "-q", *OPTIONS, "--", source, target]
        timeout_s = SHELL_TIMEOUT_S + size / SLOWEST
        process = run_process(argv, timeout_s=timeout_s, failure=DeviceError)
        if process.returncode != 0:
            raise self._describe_fault(process.stderr)

    def _require(self, command: str) -> str:
        completed = self._shell(command, SHELL_TIMEOUT_S)
        if completed.exit_code != 0:
            raise self._describe_fault(completed.stderr or completed.stdout)
        return completed.stdout

    def _shell(self, command: str, timeout_s: float) -> CompletedCommand:
        """Run `command` in the board's shell; its exit status comes behind a token.

        ssh's own status is 255 for its own failures and for a command's. No token means that the
        connection was lost.
        """
        token = secrets.token_hex(8)
        script = f'( {command} ); echo "\n{token} $?" >&2'
        argv = ["ssh", *OPTIONS, "-T", "--", self.host, f"sh -c {shlex.quote(script)}"]
        process = run_process(argv, timeout_s=timeout_s, failure=DeviceError)
        trailer = re.search(rf"\n{token} (\d+)\n", process.stderr)
        if trailer is None:
            raise self._describe_fault(process.stderr)
        errors = process.stderr.replace(trailer[0], "")
        return CompletedCommand(process.stdout, errors, int(trailer[1]))

    def _describe_fault(self, text: str) -> DeviceError:
        for pattern, advice in FAULTS:
            if pattern in text:
                return DeviceError(advice.format(host=self.host))
        last = [" ".join(line.split()) for line in text.splitlines() if line.strip()][-1:]
        said = last[0][:300] if last else "the connection was lost"
        return DeviceError(f"ssh failed on {self.host}; it said: {said}")


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
