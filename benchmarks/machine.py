"""The machine that a comparison runs on, and how busy other programs keep it."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge_bert.devices.host import HostDevice
from edge_bert.records.measurement import DeviceDescription

PACKAGES = (
    "edge-bert", "ai-edge-litert", "nncf", "numpy", "onnx", "onnxruntime", "openvino", "torch",
    "transformers",
)  # fmt: skip
STAT = Path("/proc/stat")
IDLE_FIELDS = (3, 4)  # idle and iowait, of the columns after the word `cpu` in /proc/stat
COUNTED_FIELDS = 8  # up to steal; the guest columns after it are counted in user already


def describe_machine() -> DeviceDescription:
    """Processor, cores, memory and system."""
    return HostDevice(folder=Path()).describe()


def read_package_versions() -> dict[str, str]:
    """The versions of Python and of the packages of a comparison that are installed."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def choose_last_cpu() -> int | None:
    """The last processor that we may use: the one to pin to, since the first takes interrupts."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return max(os.sched_getaffinity(0))


@dataclass(frozen=True)
class MachineLoad:
    """Processor time in seconds that the whole machine has spent, at a moment."""

    at_s: float
    busy_s: float | None

    @classmethod
    def now(cls, stat: Path = STAT) -> MachineLoad:
        """The load that the kernel reports; `busy_s` is None where it reports none."""
        try:
            columns = stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
            counts = [int(column) for column in columns[:COUNTED_FIELDS]]
        except (OSError, ValueError):
            return cls(time.monotonic(), None)
        busy = sum(count for index, count in enumerate(counts) if index not in IDLE_FIELDS)
        return cls(time.monotonic(), busy / os.sysconf("SC_CLK_TCK") if busy else None)


def count_other_cores(before: MachineLoad, after: MachineLoad, ours_s: float) -> float | None:
    """The mean number of cores that others kept busy; `ours_s` is our own processor time."""
    if before.busy_s is None or after.busy_s is None or after.at_s <= before.at_s:
        return None
    other_s = after.busy_s - before.busy_s - ours_s
    return round(max(0.0, other_s / (after.at_s - before.at_s)), 3)
