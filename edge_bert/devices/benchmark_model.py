"""The official TFLite `benchmark_model` as a second runner: a binary that the user names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.cores import parse_cores
from edge_bert.devices.device import CompletedCommand, Device
from edge_bert.errors import InputError

ELF_MAGIC = b"\x7fELF"
MAX_S = 150  # the tool's own limit
# A flag that only LiteRT's tool of this name has: its text is in the program.
LITERT_MARK = b"use_npu"
ACCELERATORS = ("gpu", "npu")


@dataclass(frozen=True)
class BenchmarkBinary:
    """The binary on this machine; `origin` is where the user says it came from.

    `litert` tells LiteRT 2's tool from the interpreter's one of the same name: their flags differ.
    """

    path: Path
    origin: str
    sha256: str
    litert: bool = False


@dataclass(frozen=True)
class BenchmarkRequest:
    """One run of at least `repetitions` inferences and `min_s` seconds.

    `model` is a path on the device, `mask` a hexadecimal mask of cores. `accelerator` is `gpu` or
    `npu`, which must run the whole model.
    """

    model: str
    signature: str
    threads: int = 1
    warmup: int = 3
    repetitions: int = 50
    min_s: float = 0.0
    mask: str | None = None
    accelerator: str | None = None
    litert: bool = False

    def arguments(self) -> list[str]:
        """The tool's flags. Without `--min_secs` it would run for a second at least."""
        return [
            f"--graph={self.model}",
            f"--signature_to_run_for={self.signature}",
            f"--num_threads={self.threads}",
            f"--warmup_runs={self.warmup}",
            f"--num_runs={self.repetitions}",
            f"--min_secs={self.min_s:g}",
            f"--max_secs={max(MAX_S, self.min_s):g}",
            "--report_peak_memory_footprint=true",
            *self._processor_flags(),
        ]

    def _processor_flags(self) -> list[str]:
        if self.accelerator:
            return [f"--use_{self.accelerator}=true", "--require_full_delegation=true"]
        return [] if self.litert else ["--use_xnnpack=true"]


def read_benchmark_binary(path: Path, origin: str) -> BenchmarkBinary:
    """Check and hash a `benchmark_model`. Raises InputError when it is not a program."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"benchmark_model: {path} cannot be read: {error.strerror}.") from error
    if not content.startswith(ELF_MAGIC):
        raise InputError(f"{path.name} is not a program; name an Android benchmark_model binary.")
    return BenchmarkBinary(
        path, origin, hashlib.sha256(content).hexdigest(), litert=LITERT_MARK in content
    )


def parse_core_mask(cores: str) -> str:
    """The hexadecimal mask of a list such as `4-7` or `0,2`. Raises InputError for other text."""
    return f"{sum(1 << cpu for cpu in parse_cores(cores)):x}"


def run_benchmark(
    device: Device, remote: str, request: BenchmarkRequest, timeout_s: float
) -> CompletedCommand:
    """Run the pushed binary; `measure.benchmark_model` reads its output."""
    affinity = ["taskset", request.mask] if request.mask else []
    return device.run([*affinity, remote, *request.arguments()], timeout_s)
