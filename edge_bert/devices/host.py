"""This machine as a device."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_bert import processes
from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.pulled_file import pulled_file
from edge_bert.devices.runner.build import host_abi
from edge_bert.errors import DeviceError
from edge_bert.host_system import count_usable_cores, name_system
from edge_bert.records.measurement import DeviceDescription, Evidence
from edge_bert.store.scratch import make_scratch, remove_scratch

CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class HostDevice:
    """Files go into a private folder, commands run as processes of their own."""

    folder: Path = field(default_factory=lambda: make_scratch("host"))

    def push(self, local: Path, name: str) -> str:
        """Copy `local` into the folder as `name` and compare size and sha256."""
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise DeviceError(f"{name!r} is not a file name; push needs one without folders.")
        remote = self.folder / name
        partial = self.folder / f".{name[:200]}.partial"
        try:
            shutil.copyfile(local, partial)
            if _sha256(local) != _sha256(partial):
                raise DeviceError(f"{local.name} changed while it was copied; push it again.")
            shutil.copymode(local, partial)
            partial.replace(remote)
        except OSError as error:
            raise DeviceError(f"{local.name} could not be pushed: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
        return str(remote)

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """Run in a process group of its own; at the time-out the whole group is ended."""
        process = processes.run_process(
            argv, timeout_s=timeout_s, failure=DeviceError, cwd=self.folder
        )
        return CompletedCommand(process.stdout, process.stderr, process.returncode)

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file out of the folder; `local` appears whole or not at all."""
        with pulled_file(remote, local) as partial:
            shutil.copyfile(self.folder / remote, partial)

    def describe(self) -> DeviceDescription:
        """Processor, cores this process may use, memory and kernel."""
        cpu = parse_cpuinfo_fields(_read(CPUINFO))
        memory = [line for line in _read(MEMINFO).splitlines() if line.startswith("MemTotal")]
        properties = {
            "cpu": cpu.get("model name") or cpu.get("CPU part") or platform.processor(),
            "memory": memory[0] if memory else "",
            "python": platform.python_version(),
        }
        return DeviceDescription(
            evidence=Evidence.HOST,
            name="host",
            abi=host_abi(),
            system=f"{name_system()} {platform.release()}",
            cores=count_usable_cores(),
            features=tuple((cpu.get("Features") or cpu.get("flags") or "").split()),
            properties={key: " ".join(value.split()) for key, value in properties.items() if value},
        )

    def close(self) -> None:
        """Remove the folder. May be called twice."""
        remove_scratch(self.folder)


def parse_cpuinfo_fields(text: str) -> dict[str, str]:
    """The `key : value` lines of the first processor in /proc/cpuinfo."""
    fields: dict[str, str] = {}
    for line in text.split("\n\n", maxsplit=1)[0].splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    return fields


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
