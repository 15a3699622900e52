"""What a `.tflite` file computes; called through `worker.py`, also where no edge_bert is."""

from __future__ import annotations

import importlib
import importlib.metadata
import time
import warnings
from typing import Any

import numpy as np

WARM_UP_RUNS = 3

Rows = dict[str, Any]  # arrays [rows, length] by input or output
Answer = tuple[dict[str, Any], dict[str, Rows]]


def run_signatures(request: dict[str, Any], inputs: dict[str, Rows]) -> Answer:
    """Outputs [rows, ...] by signature; version, quantization and latencies of the run."""
    module = importlib.import_module(f"{request['module']}.interpreter")
    interpreter = module.Interpreter(model_path=request["model"], num_threads=request["threads"])
    # Without this, tflite-runtime 2.14.0 runs signatures without its XNNPACK delegate.
    interpreter.allocate_tensors()
    outputs, quantization, latencies = {}, {}, {}
    for signature, rows in inputs.items():
        runner = _open_signature(interpreter, signature, rows)
        outputs[signature] = _run_rows(runner, rows)
        quantization[signature] = _read_quantization(runner)
        latencies[signature] = _time_runs(runner, rows, request["repetitions"])
    version = importlib.metadata.version(request["package"])
    return {"version": version, "quantization": quantization, "latencies_us": latencies}, outputs


def read_tensors(request: dict[str, Any], inputs: dict[str, Rows]) -> Answer:
    """The requested tensors by row, integers as stored; scale and zero point by name.

    Of float32 these are 1 and 0. The runtime computes as always, with its XNNPACK delegate: the
    outputs are those of a plain run, integer for integer.
    """
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one warns that keeping tensors takes memory
        interpreter = Interpreter(
            request["model"], experimental_preserve_all_tensors=True, num_threads=1
        )
    ((signature, rows),) = inputs.items()
    runner = _open_signature(interpreter, signature, rows)
    graph = runner._subgraph_index
    tensors: dict[str, Rows] = {}
    details: dict[str, Any] = {}
    for row in range(_count_rows(rows)):
        runner(**_select_row(rows, row))
        # Known only after the runner has allocated; every get_tensor is a copy.
        details = details or _tensor_details(interpreter, graph, set(request["names"]))
        tensors[str(row)] = {
            name: interpreter.get_tensor(detail["index"], graph) for name, detail in details.items()
        }
    return {name: _scale_and_zero_point(detail) for name, detail in details.items()}, tensors


def _open_signature(interpreter: Any, signature: str, rows: Rows) -> Any:
    """The signature's runner, which takes these inputs.

    The runtime would silently resize an input of another length, and the graph with it.
    """
    runner = interpreter.get_signature_runner(signature)
    details = runner.get_input_details()
    if set(details) != set(rows):
        raise ValueError(f"signature {signature} takes {sorted(details)}, not {sorted(rows)}")
    for name, array in rows.items():
        expected, shape = tuple(map(int, details[name]["shape"])), (1, *array.shape[1:])
        if expected != shape:
            raise ValueError(f"input {name} of {signature} has shape {expected}, not {shape}")
    return runner


def _run_rows(runner: Any, rows: Rows) -> Rows:
    results = [runner(**_select_row(rows, row)) for row in range(_count_rows(rows))]
    return {name: _stack([result[name] for result in results]) for name in results[0]}


def _count_rows(rows: Rows) -> int:
    return len(next(iter(rows.values())))


def _select_row(rows: Rows, row: int) -> Rows:
    return {name: array[row : row + 1] for name, array in rows.items()}


def _stack(arrays: list[Any]) -> Any:
    """One array `[rows, ...]`; the batch axis of 1 that an output brings becomes the row axis."""
    has_batch_axis = arrays[0].ndim > 0 and arrays[0].shape[0] == 1
    return np.concatenate(arrays) if has_batch_axis else np.stack(arrays)


def _read_quantization(runner: Any) -> dict[str, tuple[float, int]]:
    """Scale and zero point of the outputs that have a scale."""
    details = runner.get_output_details()
    parameters = {name: detail["quantization"] for name, detail in details.items()}
    return {
        name: (float(scale), int(zero_point))
        for name, (scale, zero_point) in parameters.items()
        if scale
    }


def _time_runs(runner: Any, rows: Rows, repetitions: int) -> list[float]:
    """Wall-clock time of whole calls on the first row, after a few that warm caches up."""
    if not repetitions:
        return []
    row = _select_row(rows, 0)
    for _ in range(WARM_UP_RUNS):
        runner(**row)
    times = []
    for _ in range(repetitions):
        started_ns = time.perf_counter_ns()
        runner(**row)
        times.append((time.perf_counter_ns() - started_ns) / 1000)
    return times


def _tensor_details(interpreter: Any, graph: int, names: set[str]) -> dict[str, Any]:
    """The runtime's details by name, of the tensors that are float or have one scale."""
    return {
        detail["name"]: detail
        for detail in interpreter.get_tensor_details(graph)
        if detail["name"] in names
        and (_is_float(detail) or len(detail["quantization_parameters"]["scales"]) == 1)
    }


def _is_float(detail: dict[str, Any]) -> bool:
    return bool(detail["dtype"] == np.float32)


def _scale_and_zero_point(detail: dict[str, Any]) -> tuple[float, int]:
    if _is_float(detail):
        return 1.0, 0
    scale, zero_point = detail["quantization"]
    return float(scale), int(zero_point)
