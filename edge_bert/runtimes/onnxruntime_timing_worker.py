"""Time `.onnx` files in turn; started by `onnx_timing.py`, never imported.

    python onnx_timing_worker.py ORDER

ORDER is JSON: `files` by name, `tokens`, `rounds`, `repetitions`. The last line on stdout is JSON:
name -> tokens -> milliseconds per inference of each round. On a fault it is the reason, and the
exit status is 1.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

WARM_UP = 2


def main(order: str) -> int:
    """Time all files; 0 if all went well, else 1."""
    try:
        print(json.dumps(time_files(json.loads(order))), flush=True)  # noqa: T201 - the interface
    except Exception as error:  # whatever the runtime throws must reach the caller as a line
        print(" ".join(f"{type(error).__name__}: {error}".split())[:400], flush=True)  # noqa: T201
        return 1
    return 0


def time_files(order: dict[str, Any]) -> dict[str, dict[int, list[float]]]:
    """Every round takes every file at every length."""
    sessions = {name: _open(path) for name, path in order["files"].items()}
    found: dict[str, dict[int, list[float]]] = {
        name: {tokens: [] for tokens in order["tokens"]} for name in sessions
    }
    for turn in range(-1, order["rounds"]):  # the first one warms up
        for tokens in order["tokens"]:
            for name, session in sessions.items():
                count = WARM_UP if turn < 0 else order["repetitions"]
                taken = _time(session, tokens, count)
                if turn >= 0:
                    found[name][tokens].append(taken)
    return found


def _open(path: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _time(session: Any, tokens: int, count: int) -> float:
    feeds = {each.name: np.ones((1, tokens), np.int64) for each in session.get_inputs()}
    start = time.perf_counter()
    for _ in range(count):
        session.run(None, feeds)
    return 1e3 * (time.perf_counter() - start) / count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
