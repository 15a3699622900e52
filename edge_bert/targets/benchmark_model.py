"""The official TFLite `benchmark_model` as a second runner: a binary that the user names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge_bert.errors import InputError
from edge_bert.targets.target import Completed, Target

ELF_MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class BenchmarkBinary:
    """The binary on this machine; `origin` is where it came from, in the user's words."""

    path: Path
    origin: str
    sha256: str


@dataclass(frozen=True)
class BenchmarkRequest:
    """One run; `model` is the target's path. `mask` is a hexadecimal mask of cores."""

    model: str
    signature: str
    threads: int = 1
    warmup: int = 3
    repetitions: int = 50
    mask: str | None = None

    def arguments(self) -> list[str]:
        """The tool's flags. The least and most seconds keep it to the number of repetitions."""
        return [
            f"--graph={self.model}",
            f"--signature_to_run_for={self.signature}",
            f"--num_threads={self.threads}",
            f"--warmup_runs={self.warmup}",
            "--warmup_min_secs=0",
            f"--num_runs={self.repetitions}",
            "--min_secs=0",
            "--use_xnnpack=true",
            "--report_peak_memory_footprint=true",
        ]


def benchmark_binary(path: Path, origin: str) -> BenchmarkBinary:
    """Check and hash a `benchmark_model`. Raises InputError when it is not a program."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"benchmark_model: {path} cannot be read: {error.strerror}.") from error
    if not content.startswith(ELF_MAGIC):
        raise InputError(f"{path.name} is not a program; name an Android benchmark_model binary.")
    return BenchmarkBinary(path, origin, hashlib.sha256(content).hexdigest())


def start_benchmark(
    target: Target, remote: str, request: BenchmarkRequest, timeout_s: float
) -> Completed:
    """Run the pushed binary; `measure.benchmark_model` reads its output."""
    affinity = ["taskset", request.mask] if request.mask else []
    return target.run([*affinity, remote, *request.arguments()], timeout_s)
