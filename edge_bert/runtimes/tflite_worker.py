"""Run one `.tflite` file in a process of its own; started by `runtimes.py`, never imported.

    python worker.py MODEL INPUTS.npz OUTPUTS.npz --runtime NAME [--threads N] [--time REPS]

Needs the standard library, numpy 1 or 2 and the runtime, nothing else: it also runs inside
environments that hold no edge_bert. INPUTS holds int32 arrays `[rows, length]` under the names
`<signature>|<input>`; OUTPUTS gets arrays `[rows, ...]` named `<signature>|<output>`. The last line
on stdout is JSON: runtime, quantization and latencies, or `{"error": ...}` with exit status 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import sys
import time
from typing import Any

import numpy as np

MODULES = {"tflite-runtime": "tflite_runtime", "ai-edge-litert": "ai_edge_litert"}
WARM_UP_RUNS = 3

Rows = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Run every signature of the request; print the JSON line; 0 if all went well, else 1."""
    try:
        answer = run_requests(_parse(arguments))
    except Exception as error:  # whatever the runtime throws must reach the caller as data
        answer = {"error": f"{error}" or type(error).__name__}
    print(json.dumps(answer), flush=True)  # noqa: T201 - stdout is the interface
    return 1 if "error" in answer else 0


def run_requests(options: argparse.Namespace) -> dict[str, Any]:
    """Load the model, run all rows, write the outputs; gives what the JSON line says."""
    module = importlib.import_module(f"{MODULES[options.runtime]}.interpreter")
    interpreter = module.Interpreter(model_path=options.model, num_threads=options.threads)
    # Without this, tflite-runtime 2.14.0 runs signatures without its XNNPACK delegate.
    interpreter.allocate_tensors()
    outputs: dict[str, Any] = {}
    quantization, latencies = {}, {}
    for signature, inputs in _by_signature(options.inputs).items():
        runner = interpreter.get_signature_runner(signature)
        _check_shapes(signature, runner, inputs)
        for name, array in _run_rows(runner, inputs).items():
            outputs[f"{signature}|{name}"] = array
        quantization[signature] = _quantization(runner)
        latencies[signature] = _latencies_us(runner, inputs, options.time)
    np.savez(options.outputs, **outputs)
    version = importlib.metadata.version(options.runtime)
    return {
        "runtime": {"name": options.runtime, "version": version},
        "quantization": quantization,
        "latencies_us": latencies,
    }


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a .tflite file on rows of integers.")
    parser.add_argument("model")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--runtime", choices=sorted(MODULES), required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--time", type=int, default=0, metavar="REPS")
    return parser.parse_args(arguments)


def _by_signature(path: str) -> dict[str, Rows]:
    grouped: dict[str, Rows] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            signature, _, name = key.partition("|")
            grouped.setdefault(signature, {})[name] = archive[key]
    return grouped


def _check_shapes(signature: str, runner: Any, inputs: Rows) -> None:
    # The runtime would silently resize an input of another length, and the graph with it.
    details = runner.get_input_details()
    if set(details) != set(inputs):
        raise ValueError(f"signature {signature} takes {sorted(details)}, not {sorted(inputs)}")
    for name, array in inputs.items():
        wanted, given = tuple(map(int, details[name]["shape"])), (1, *array.shape[1:])
        if wanted != given:
            raise ValueError(f"input {name} of {signature} has shape {wanted}, not {given}")


def _run_rows(runner: Any, inputs: Rows) -> Rows:
    rows = len(next(iter(inputs.values())))
    results = [runner(**_row(inputs, row)) for row in range(rows)]
    return {name: _stacked([result[name] for result in results]) for name in results[0]}


def _row(inputs: Rows, row: int) -> Rows:
    return {name: array[row : row + 1] for name, array in inputs.items()}


def _stacked(arrays: list[Any]) -> Any:
    """One array `[rows, ...]`; the batch axis of 1 that an output brings becomes the row axis."""
    has_batch_axis = arrays[0].ndim > 0 and arrays[0].shape[0] == 1
    return np.concatenate(arrays) if has_batch_axis else np.stack(arrays)


def _quantization(runner: Any) -> dict[str, tuple[float, int]]:
    found = {}
    for name, detail in runner.get_output_details().items():
        scale, zero_point = detail["quantization"]
        if scale:
            found[name] = (float(scale), int(zero_point))
    return found


def _latencies_us(runner: Any, inputs: Rows, repetitions: int) -> list[float]:
    """Wall-clock time of whole calls on the first row, after a few that warm caches up."""
    if not repetitions:
        return []
    row = _row(inputs, 0)
    for _ in range(WARM_UP_RUNS):
        runner(**row)
    times = []
    for _ in range(repetitions):
        start = time.perf_counter_ns()
        runner(**row)
        times.append((time.perf_counter_ns() - start) / 1000)
    return times


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
