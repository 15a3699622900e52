"""The five methods that every device has: this host, an emulated phone, a phone over adb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_bert.records.measurement import DeviceDescription


@dataclass(frozen=True)
class CompletedCommand:
    """A command that ended by itself, whatever its exit code."""

    stdout: str
    stderr: str
    exit_code: int


class Device(Protocol):
    """A place to put files and run commands. Every failure is a DeviceError."""

    def push(self, local: Path, name: str) -> str:
        """Copy a file there, verified by size and sha256; the path it has there.

        `name` is the file's name there, without folders. Execute permission is kept.
        """

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """Run a command to its end. A time-out kills it and raises DeviceError."""

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from there; `local` appears whole or not at all."""

    def describe(self) -> DeviceDescription:
        """Its name, ABI, system, cores and CPU features."""

    def close(self) -> None:
        """Remove what was pushed and end what was started. May be called twice."""
