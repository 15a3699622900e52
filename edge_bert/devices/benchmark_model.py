"""The official TFLite `benchmark_model` as a second runner: a binary that the user names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.device import CompletedCommand, Device
from edge_bert.errors import InputError

ELF_MAGIC = b"\x7fELF"
MAX_S = 150  # the tool's own limit
HIGHEST_CORE = 1023


@dataclass(frozen=True)
class BenchmarkBinary:
    """The binary on this machine; `origin` is where the user says it came from."""

    path: Path
    origin: str
    sha256: str


@dataclass(frozen=True)
class BenchmarkRequest:
    """One run of at least `repetitions` inferences and `min_s` seconds.

    `model` is a path on the device, `mask` a hexadecimal mask of cores.
    """

    model: str
    signature: str
    threads: int = 1
    warmup: int = 3
    repetitions: int = 50
    min_s: float = 0.0
    mask: str | None = None

    def arguments(self) -> list[str]:
        """The tool's flags. Without `--min_secs` it would run for a second at least."""
        return [
            f"--graph={self.model}",
            f"--signature_to_run_for={self.signature}",
            f"--num_threads={self.threads}",
            f"--warmup_runs={self.warmup}",
            "--warmup_min_secs=0",
            f"--num_runs={self.repetitions}",
            f"--min_secs={self.min_s:g}",
            f"--max_secs={max(MAX_S, self.min_s):g}",
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
    """The hexadecimal mask of a list such as `4-7` or `0,2`. Raises InputError for other text."""
    mask = 0
    for interval in cores.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", interval.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= HIGHEST_CORE:
            raise InputError(f"--cores {cores}: give cores such as 4-7 or 0,2.")
        mask |= (1 << last + 1) - (1 << first)
    return f"{mask:x}"


def run_benchmark(
    device: Device, remote: str, request: BenchmarkRequest, timeout_s: float
) -> CompletedCommand:
    """Run the pushed binary; `measure.benchmark_model` reads its output."""
    affinity = ["taskset", request.mask] if request.mask else []
    return device.run([*affinity, remote, *request.arguments()], timeout_s)
