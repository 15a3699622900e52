"""The machine that a comparison runs on, and how busy others keep it."""

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


def describe() -> DeviceDescription:
    """Processor, cores, memory and system."""
    return HostDevice(folder=Path()).describe()


def versions() -> dict[str, str]:
    """The version of Python and of every package here that has a part in a comparison."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def last_cpu() -> int | None:
    """The processor to pin to: the last one we may use, since the first takes the interrupts."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return max(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Load:
    """Processor time in seconds that the whole machine has spent, at a moment."""

    at_s: float
    busy_s: float | None

    @classmethod
    def now(cls, stat: Path = STAT) -> Load:
        """As the kernel says; `busy_s` is None where it does not."""
        try:
            columns = stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
            counts = [int(column) for column in columns[:COUNTED_FIELDS]]
        except (OSError, ValueError):
            return cls(time.monotonic(), None)
        busy = sum(count for index, count in enumerate(counts) if index not in IDLE_FIELDS)
        return cls(time.monotonic(), busy / os.sysconf("SC_CLK_TCK") if busy else None)


def other_cores(before: Load, after: Load, ours_s: float) -> float | None:
    """Cores that others kept busy in the mean; `ours_s` is the processor time of our own."""
    if before.busy_s is None or after.busy_s is None or after.at_s <= before.at_s:
        return None
    others = after.busy_s - before.busy_s - ours_s
    return round(max(0.0, others / (after.at_s - before.at_s)), 3)
