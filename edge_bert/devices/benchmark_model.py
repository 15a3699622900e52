"""The official TFLite `benchmark_model` as a second runner: a binary that the user names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.device import CompletedCommand, Device
from edge_bert.errors import InputError

ELF_MAGIC = b"\x7fELF"
MOST_S = 150  # the tool's own limit
HIGHEST_CORE = 1023


@dataclass(frozen=True)
class BenchmarkBinary:
    """The binary on this machine; `origin` is where it came from, in the user's words."""

    path: Path
    origin: str
    sha256: str


@dataclass(frozen=True)
class BenchmarkRequest:
    """One run of at least `repetitions` inferences and `least_s` seconds.

    `model` is the target's path, `mask` a hexadecimal mask of cores.
    """

    model: str
    signature: str
    threads: int = 1
    warmup: int = 3
    repetitions: int = 50
    least_s: float = 0.0
    mask: str | None = None

    def arguments(self) -> list[str]:
        """The tool's flags. Without the least seconds it would take a second of its own."""
        return [
            f"--graph={self.model}",
            f"--signature_to_run_for={self.signature}",
            f"--num_threads={self.threads}",
            f"--warmup_runs={self.warmup}",
            "--warmup_min_secs=0",
            f"--num_runs={self.repetitions}",
            f"--min_secs={self.least_s:g}",
            f"--max_secs={max(MOST_S, self.least_s):g}",
            "--use_xnnpack=true",
            "--report_peak_memory_footprint=true",
        ]


def read_benchmark_binary(path: Path, origin: str) -> BenchmarkBinary:
    """Check and hash a `benchmark_model`. Raises InputError when it is not a program."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"benchmark_model: {path} cannot be read: {error.strerror}.") from error
    if not content.startswith(ELF_MAGIC):
        raise InputError(f"{path.name} is not a program; name an Android benchmark_model binary.")
    return BenchmarkBinary(path, origin, hashlib.sha256(content).hexdigest())


def parse_core_mask(cores: str) -> str:
    """The hexadecimal mask of a list like `4-7` or `0,2`. Raises InputError for other words."""
    mask = 0
    for part in cores.split(","):
        found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last <= HIGHEST_CORE:
            raise InputError(f"--cores {cores}: give cores such as 4-7 or 0,2.")
        mask |= (1 << last + 1) - (1 << first)
    return f"{mask:x}"


def run_benchmark(
    target: Device, remote: str, request: BenchmarkRequest, timeout_s: float
) -> CompletedCommand:
    """Run the pushed binary; `measure.benchmark_model` reads its output."""
    affinity = ["taskset", request.mask] if request.mask else []
    return target.run([*affinity, remote, *request.arguments()], timeout_s)
