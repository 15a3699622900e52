"""What `.onnx` files compute on onnxruntime, and how fast; called through `worker.py`."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}
WARM_UP_RUNS = 2
# Since 1.29 the official builds report models that they load to their maker, on Linux too.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

Rows = dict[str, dict[str, Any]]
Times = dict[str, dict[int, list[float]]]


def run_rows(request: dict[str, Any], rows: Rows) -> tuple[None, Rows]:
    """The output of each row of inputs [length], without the batch axis.

    Inputs of fixed sizes are filled up with zeros, so a row needs a mask.
    """
    session = _open_session(request["model"])
    output = request["output"]
    specs = {spec.name: spec for spec in session.get_inputs()}
    outputs = {}
    for row, inputs in rows.items():
        feeds = {name: _pad_row(specs[name], values) for name, values in inputs.items()}
        outputs[row] = {output: session.run([output], feeds)[0][0]}
    return None, outputs


def time_files(request: dict[str, Any], _rows: Rows) -> tuple[Times, Rows]:
    """Milliseconds per inference by file and tokens; every round takes every file in turn."""
    sessions = {name: _open_session(path) for name, path in request["files"].items()}
    times: Times = {name: {tokens: [] for tokens in request["tokens"]} for name in sessions}
    for round_index in range(-1, request["rounds"]):  # the first one warms up
        for tokens in request["tokens"]:
            for name, session in sessions.items():
                if round_index < 0:
                    _time_session(session, tokens, WARM_UP_RUNS)
                else:
                    times[name][tokens].append(
                        _time_session(session, tokens, request["repetitions"])
                    )
    return times, {}


def _open_session(path: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    # Without VNNI, sums of uint8 by int8 products saturate at 16 bits unless this says otherwise.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _pad_row(spec: Any, values: Any) -> Any:
    """A row as the batch that the graph takes, filled up with zeros to a fixed length."""
    sizes = [size if isinstance(size, int) else None for size in spec.shape]
    batch, length = sizes[0] or 1, sizes[-1] or len(values)
    if len(values) > length:
        raise ValueError(f"{len(values)} tokens do not fit the fixed length of {length}")
    filled = np.zeros((batch, length), NUMBERS[spec.type])
    filled[:, : len(values)] = values
    return filled


def _time_session(session: Any, tokens: int, repetitions: int) -> float:
    feeds = {spec.name: np.ones((1, tokens), np.int64) for spec in session.get_inputs()}
    started_at = time.perf_counter()
    for _ in range(repetitions):
        session.run(None, feeds)
    return 1e3 * (time.perf_counter() - started_at) / repetitions
