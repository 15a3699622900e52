"""Run an artifact on a named runtime on this host, in a process whose crash is contained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_bert.errors import VerificationError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.profile import Runtime
from edge_bert.records.runtime_result import RuntimeResult
from edge_bert.runtimes import environments, tflite_worker
from edge_bert.runtimes.worker import Worker

Inputs = Mapping[str, Mapping[str, npt.NDArray[np.int32]]]


class _TfliteAnswer(Record, frozen=True):
    """What `tflite_worker.run_signatures` says of its run."""

    version: str
    quantization: dict[str, dict[str, tuple[float, int]]]
    latencies_us: dict[str, tuple[float, ...]]


def run_tflite_model(
    model: Path,
    inputs: Inputs,
    runtime: Runtime,
    *,
    threads: int = 1,
    timeout_s: float = 600,
    repetitions: int = 0,
    progress: Progress = no_progress,
) -> RuntimeResult:
    """Load `model` on `runtime` and run every signature in `inputs` on every row.

    `inputs` maps a signature to its inputs, each int32 `[rows, length]`; rows run one at a time
    (batch 1). With `repetitions`, each signature is then timed that often on its first row.

    Raises VerificationError, with the runtime's own message, where the model does not load or run,
    the process dies or `timeout_s` passes; MissingToolError where this machine cannot have the
    runtime; ValueError for inputs that fit no model (no rows, unequal rows, a `|` in a signature).
    """
    _check_rows(inputs)
    python = environments.prepare_python(runtime, progress)
    worker = Worker(f"{model.name} on {runtime}", VerificationError, timeout_s, python)
    request = {
        "model": str(model.resolve()),
        "package": runtime.name,
        "module": environments.MODULES[runtime.name],
        "threads": threads,
        "repetitions": repetitions,
    }
    answer, outputs = worker.call(tflite_worker.run_signatures, request, inputs, _TfliteAnswer)
    return RuntimeResult(
        outputs=outputs,
        runtime=Runtime(name=runtime.name, version=answer.version),
        quantization=answer.quantization,
        latencies_us=answer.latencies_us,
    )


def _check_rows(inputs: Inputs) -> None:
    for signature, arrays in inputs.items():
        counts = {len(array) for array in arrays.values()}
        if len(counts) != 1 or counts == {0}:
            raise ValueError(f"{signature}: inputs need the same number of rows, at least one")
