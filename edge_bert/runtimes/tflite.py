"""Run an artifact on a named runtime on this host, in a process that may die without harm."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert import processes
from edge_bert.errors import VerificationError
from edge_bert.records.base import Record
from edge_bert.records.profile import Runtime
from edge_bert.records.runtime_result import RuntimeResult
from edge_bert.runtimes import environments

WORKER = Path(__file__).resolve().parent / "tflite_worker.py"
Inputs = Mapping[str, Mapping[str, npt.NDArray[np.int32]]]


class _TfliteAnswer(Record, frozen=True):
    """The JSON line of worker.py when all went well."""

    runtime: Runtime
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
    progress: environments.Progress | None = None,
) -> RuntimeResult:
    """Load `model` on `runtime` and run every signature in `inputs` on every row.

    `inputs` maps a signature to its inputs, each int32 `[rows, length]`; rows run one at a time
    (batch 1). With `repetitions`, each signature is then timed that often on its first row.

    Raises VerificationError, with the runtime's own message, where the model does not load or run,
    the process dies or `timeout_s` passes; MissingToolError where this machine cannot have the
    runtime; ValueError for inputs that fit no model (no rows, unequal rows, a `|` in a name).
    """
    _check(inputs)
    python = environments.runtime_python(runtime, progress)
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        request, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        _write(request, inputs)
        # -I keeps an isolated environment isolated; -P keeps this folder off our own sys.path.
        isolation = "-P" if python == Path(sys.executable) else "-I"
        command = [str(python), isolation, str(WORKER), str(model.resolve()), str(request)]
        command += [str(outputs), "--runtime", runtime.name, "--threads", str(threads)]
        command += ["--time", str(repetitions)]
        answer = _answer(command, f"{model.name} on {runtime}", timeout_s)
        return RuntimeResult(
            outputs=_read(outputs),
            runtime=answer.runtime,
            quantization=answer.quantization,
            latencies_us=answer.latencies_us,
        )


def _check(inputs: Inputs) -> None:
    for signature, arrays in inputs.items():
        rows = {len(array) for array in arrays.values()}
        if len(rows) != 1 or rows == {0}:
            raise ValueError(f"{signature}: inputs need the same number of rows, at least one")
        if any("|" in name for name in (signature, *arrays)):
            raise ValueError(f"{signature}: a name of a signature or an input holds a '|'")


def _write(path: Path, inputs: Inputs) -> None:
    arrays = {
        f"{signature}|{name}": array
        for signature, named in inputs.items()
        for name, array in named.items()
    }
    np.savez(path, allow_pickle=False, **arrays)


def _read(path: Path) -> dict[str, dict[str, npt.NDArray[Any]]]:
    outputs: dict[str, dict[str, npt.NDArray[Any]]] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            signature, _, name = key.partition("|")
            outputs.setdefault(signature, {})[name] = archive[key]
    return outputs


def _answer(command: list[str], what: str, timeout_s: float) -> _TfliteAnswer:
    done = processes.run_process(command, timeout_s=timeout_s, failure=VerificationError, what=what)
    if done.returncode < 0:
        cause = signal.strsignal(-done.returncode) or f"signal {-done.returncode}"
        raise VerificationError(f"{what}: the process died ({cause}){_last_words(done.stderr)}.")
    line = done.stdout.strip().rpartition("\n")[2]
    if done.returncode:
        raise VerificationError(f"{what}: {_message(line, done.stderr)}")
    try:
        return msgspec.json.decode(line, type=_TfliteAnswer)
    except msgspec.DecodeError as error:
        raise VerificationError(f"{what}: the worker's answer is unreadable: {error}") from error


def _message(line: str, stderr: str) -> str:
    """The runtime's own first useful line, from the worker's JSON or else from stderr."""
    try:
        said = str(json.loads(line)["error"])
    except (ValueError, KeyError, TypeError):
        said = _last_words(stderr).removeprefix(": ") or "the worker failed without a word"
    return next((text.strip() for text in said.splitlines() if text.strip()), "no message")[:400]


def _last_words(stderr: str) -> str:
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    return f": {lines[-1][:300]}" if lines else ""
