"""Run and time ONNX files on onnxruntime, in a process whose crash is contained."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import MissingToolError, VerificationError
from edge_bert.runtimes import onnxruntime_worker
from edge_bert.runtimes.worker import Worker

CPU_INFO = Path("/proc/cpuinfo")
VNNI = ("avx512_vnni", "avx_vnni")
RUN_TIMEOUT_S, TIMING_TIMEOUT_S = 600.0, 1800.0
ROUNDS, REPETITIONS = 10, 5
Row = Mapping[str, npt.NDArray[Any]]


def saturates_int8(model: Path) -> bool:
    """Whether onnxruntime on this machine adds int8 products of `model` in 16 bits that overflow.

    Its kernels for x86 without VNNI do; a session's option mends it for `.onnx` files, and not for
    `.ort` files, whose graph is what it is.
    """
    if model.suffix != ".ort" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    flags = CPU_INFO.read_text("utf-8", errors="replace") if CPU_INFO.is_file() else VNNI[0]
    return not any(name in flags for name in VNNI)


def run_onnx_model(
    model: Path, rows: Sequence[Row], output: str, *, timeout_s: float = RUN_TIMEOUT_S
) -> list[npt.NDArray[np.float32]]:
    """The `output` of `model` for each row of inputs [length], without the batch axis.

    Raises VerificationError where the model does not load or run, MissingToolError without
    onnxruntime.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingToolError(
            "Checking against ONNX needs onnxruntime: pip install 'edge-bert[onnx]'."
        )
    worker = Worker(f"{model.name} on onnxruntime", VerificationError, timeout_s)
    request = {"model": str(model.resolve()), "output": output}
    inputs = {str(index): row for index, row in enumerate(rows)}
    _, outputs = worker.call(onnxruntime_worker.run_rows, request, inputs, type(None))
    return [outputs[row][output].astype(np.float32) for row in inputs]


def time_onnx_files(
    files: Mapping[str, Path],
    tokens: Sequence[int],
    *,
    rounds: int = ROUNDS,
    timeout_s: float = TIMING_TIMEOUT_S,
) -> dict[str, dict[int, list[float]]]:
    """Milliseconds per inference of each file at each length, one thread, round by round.

    In every round each file runs in turn, so that a change of the machine's pace meets all.
    Raises VerificationError where a file does not run.
    """
    request = {
        "files": {name: str(path.resolve()) for name, path in files.items()},
        "tokens": tokens,
        "rounds": rounds,
        "repetitions": REPETITIONS,
    }
    worker = Worker("Timing on onnxruntime", VerificationError, timeout_s)
    times = dict[str, dict[int, list[float]]]
    return worker.call(onnxruntime_worker.time_files, request, {}, times)[0]
