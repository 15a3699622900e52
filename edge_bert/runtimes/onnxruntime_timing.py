"""Time ONNX files on onnxruntime beside each other, in one process that may die without harm."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edge_bert import processes
from edge_bert.errors import VerificationError

WORKER = Path(__file__).resolve().parent / "onnxruntime_timing_worker.py"
TIMEOUT_S = 1800.0
ROUNDS, REPETITIONS = 10, 5
Times = dict[str, dict[str, list[float]]]


def time_files(
    files: Mapping[str, Path],
    tokens: Sequence[int],
    *,
    rounds: int = ROUNDS,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, dict[int, list[float]]]:
    """Milliseconds per inference of each file at each length, one thread, round by round.

    In every round each file runs in turn, so that a change of the machine's pace meets all.
    Raises VerificationError where a file does not run.
    """
    order = {
        "files": {name: str(path.resolve()) for name, path in files.items()},
        "tokens": list(tokens),
        "rounds": rounds,
        "repetitions": REPETITIONS,
    }
    command = [sys.executable, "-P", str(WORKER), json.dumps(order)]
    done = processes.run_process(
        command, timeout_s=timeout_s, failure=VerificationError, what="onnxruntime"
    )
    if done.returncode:
        reason = done.stdout.strip().rpartition("\n")[2][:400] or "the process died without a word"
        raise VerificationError(f"Timing on onnxruntime failed: {reason}")
    found = msgspec.json.decode(done.stdout.strip().rpartition("\n")[2], type=Times)
    return {
        name: {int(length): values for length, values in by_length.items()}
        for name, by_length in found.items()
    }
