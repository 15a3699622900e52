"""Run an ONNX file on onnxruntime, in a process that may die without harm."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert import processes
from edge_bert.errors import MissingToolError, VerificationError

WORKER = Path(__file__).resolve().parent / "onnxruntime_worker.py"
TIMEOUT_S = 600.0
Row = Mapping[str, npt.NDArray[Any]]


def run_onnx_model(
    model: Path, rows: Sequence[Row], output: str, *, timeout_s: float = TIMEOUT_S
) -> list[npt.NDArray[np.float32]]:
    """What `output` of `model` is for each row of inputs, each [length]; without the batch axis.

    Raises VerificationError where the model does not load or run, MissingToolError without
    onnxruntime.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingToolError(
            "Checking against ONNX needs onnxruntime: pip install 'edge-bert[onnx]'."
        )
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        request, answers = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        arrays = {f"{i}|{name}": array for i, row in enumerate(rows) for name, array in row.items()}
        np.savez(request, allow_pickle=False, **arrays)
        command = [sys.executable, "-P", str(WORKER), str(model.resolve())]
        _run([*command, str(request), str(answers), output], model.name, timeout_s)
        with np.load(answers, allow_pickle=False) as archive:
            return [archive[str(index)].astype(np.float32) for index in range(len(rows))]


def _run(command: list[str], name: str, timeout_s: float) -> None:
    what = f"{name} on onnxruntime"
    done = processes.run_process(command, timeout_s=timeout_s, failure=VerificationError, what=what)
    if done.returncode:
        raise VerificationError(f"{name} does not run on onnxruntime: {_reason(done.stdout)}")


def _reason(stdout: str) -> str:
    try:
        return str(json.loads(stdout.strip().rpartition("\n")[2])["error"])
    except (ValueError, KeyError, TypeError):
        return "the process died without a word."
