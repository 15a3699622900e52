"""The cost of single operators in int8, int16 and float32.

    python -m benchmarks.operator_counts pixel-4
    python -m benchmarks.operator_counts host

One file per operator at the shapes of all-MiniLM-L6-v2 and 128 tokens, run on the emulated phone of
a profile (default: pixel-4, a Cortex-A76). Costs are in millions of ARM64 instructions, a few
thousand of them the runtime's own. In int16, matrices have 8 bits; a QUANTIZE of int8 gives int16,
one of int16 gives int8. With `host` each runs on this machine instead, one thread, and its cost is
the median of 200 times in microseconds; keep the machine otherwise idle.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert import profiles
from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.runner.start import RunnerRequest, install_runner
from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, TensorKind
from edge_bert.quantize.integer.ir.quant_params import QuantParams, float32_params
from edge_bert.quantize.integer.ir.serialize import serialize_graphs

ROWS, NEURONS, SCORES = (128, 384), (128, 1536), (12, 128, 128)
HEADS, TURNED = (12, 128, 32), (12, 32, 128)
TIMEOUT_S = 600
WARMUP, REPETITIONS = 20, 200
# Name, operator, shapes of its inputs, shape of its output, options.
OPERATORS: tuple[tuple[str, str, tuple[tuple[int, ...], ...], tuple[int, ...], dict[str, Any]], ...]
OPERATORS = (
    ("384 to 384", "FULLY_CONNECTED", (ROWS, (384, 384), (384,)), ROWS, {}),
    ("384 to 1536", "FULLY_CONNECTED", (ROWS, (1536, 384), (1536,)), NEURONS, {}),
    ("1536 to 384", "FULLY_CONNECTED", (NEURONS, (384, 1536), (384,)), ROWS, {}),
    ("scores", "BATCH_MATMUL", (HEADS, HEADS), SCORES, {"adj_y": True}),
    ("values", "BATCH_MATMUL", (SCORES, TURNED), HEADS, {"adj_y": True}),
    ("one sum", "FULLY_CONNECTED", (ROWS, (1, 384), (1,)), (128, 1), {}),
    ("neurons", "GELU", (NEURONS,), NEURONS, {"approximate": False}),
    ("scores", "SOFTMAX", (SCORES,), SCORES, {}),
    ("mask", "ADD", (SCORES, (1, 128)), SCORES, {}),
    ("rows", "ADD", (ROWS, ROWS), ROWS, {}),
    ("vector", "MUL", (ROWS, (1, 384)), ROWS, {}),
    ("rows", "MUL", (ROWS, ROWS), ROWS, {}),
    ("rows", "SUB", (ROWS, ROWS), ROWS, {}),
    ("rows", "QUANTIZE", (ROWS,), ROWS, {}),
    ("rows", "DEQUANTIZE", (ROWS,), ROWS, {}),
    ("scores", "QUANTIZE", (SCORES,), SCORES, {}),
    ("scores", "DEQUANTIZE", (SCORES,), SCORES, {}),
)
FIXED = {"SOFTMAX": (1 / 256, -128)}
KINDS = ("int8", "int16", "float32")
# Operators whose int16 kernels our files use; others have none, or ask for scales of their own.
INT16_OPERATORS = ("FULLY_CONNECTED", "GELU", "ADD", "SUB", "MUL", "QUANTIZE")


def main() -> int:
    """Print a line for each operator and number format."""
    parser = argparse.ArgumentParser(description="The cost of single operators.")
    parser.add_argument("profile", nargs="?", default="pixel-4", help="a profile, or host")
    name = parser.parse_args().profile
    if name == "host":
        _print_costs(_time_file)
        return 0
    profile = profiles.load_profile(name)
    target = EmulatedDevice(profile)
    try:
        command = install_runner(target, profile.abi, own_c_library=False)
        _print_costs(lambda data: _count_file(target, command, data) / 1e6)
    finally:
        target.close()
    return 0


def _print_costs(measure: Callable[[bytes], float]) -> None:
    for name, operator, inputs, output, options in OPERATORS:
        for kind in _kinds(operator):
            cost = measure(_operator_file(operator, inputs, output, options, kind))
            print(f"{operator:16} {name:12} {kind:8} {cost:8.3f}", flush=True)  # noqa: T201


def _time_file(data: bytes) -> float:
    """Median time of one run on this machine's runtime, in microseconds."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter, random = Interpreter(model_content=data, num_threads=1), np.random.RandomState(0)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        dtype = tensor["dtype"]
        values = random.randint(-127, 128, tensor["shape"]) / (1 if dtype is np.int8 else 40)
        interpreter.set_tensor(tensor["index"], values.astype(dtype))
    times = []
    for _ in range(WARMUP + REPETITIONS):
        start_ns = time.perf_counter_ns()
        interpreter.invoke()
        times.append((time.perf_counter_ns() - start_ns) / 1000)
    return float(np.median(times[WARMUP:]))


def _kinds(operator: str) -> tuple[str, ...]:
    """The number formats of the operator's first input."""
    if operator == "DEQUANTIZE":
        return ("int8",)
    return tuple(kind for kind in KINDS if kind != "int16" or operator in INT16_OPERATORS)


def _count_file(target: EmulatedDevice, command: list[str], data: bytes) -> int:
    with tempfile.TemporaryDirectory(prefix="edge-bert-operator-") as folder:
        path = Path(folder) / "operator.tflite"
        path.write_bytes(data)
        run = RunnerRequest(target.push(path, path.name), "length_128", warmup=1, repetitions=1)
        counted = target.run_counted([*command, *run.arguments()], TIMEOUT_S, caches="off")
    return counted.counts.marked_repetitions[-1].total


def _operator_file(
    operator: str,
    inputs: tuple[tuple[int, ...], ...],
    output: tuple[int, ...],
    options: dict[str, Any],
    kind: str,
) -> bytes:
    """A file with this operator alone. Matrices and biases are constants, the rest inputs."""
    graph, params = OperatorGraph(128), {}
    names = [f"input{index}" for index in range(len(inputs))]
    for index, (name, shape) in enumerate(zip(names, inputs, strict=True)):
        if operator == "FULLY_CONNECTED" and index:
            params[name] = _weights(shape, kind)
        else:
            graph.inputs.append(name)
            params[name] = _activation(kind)
        graph.tensors[name] = GraphTensor(name, shape, TensorKind.ACTIVATION, params[name].value)
    graph.output = graph.apply(operator, names, GraphTensor("output", output), **options)
    params["output"] = _output(operator, kind)
    return serialize_graphs([("length_128", graph, params)], "result")


def _output(operator: str, kind: str) -> QuantParams:
    if operator == "QUANTIZE":
        return _int16() if kind == "int8" else _int8(0.05, 3)
    if operator == "DEQUANTIZE":
        return float32_params()
    fixed = FIXED.get(operator, (0.05, 3))
    return _int8(*fixed) if kind == "int8" else _activation(kind)


def _activation(kind: str) -> QuantParams:
    return {"int8": _int8(0.05, 0), "int16": _int16(), "float32": float32_params()}[kind]


def _int16() -> QuantParams:
    return QuantParams(np.array([0.0002], np.float32), 0, "int16")


def _int8(scale: float, zero_point: int) -> QuantParams:
    return QuantParams(np.array([scale], np.float32), zero_point, "int8")


def _weights(shape: tuple[int, ...], kind: str) -> QuantParams:
    """A matrix of int8, which makes float32 rows hybrid, or a bias of zeros."""
    scale = np.full(shape[0], 0.01, np.float32)
    if len(shape) == 2:
        values = np.random.RandomState(0).randint(-127, 128, shape).astype(np.int8)
        return QuantParams(scale, 0, "int8", values)
    if kind == "float32":
        return float32_params(np.zeros(shape))
    width = "int64" if kind == "int16" else "int32"
    rows = _activation(kind).scale[0]
    return QuantParams(scale * rows, 0, width, np.zeros(shape, width))


if __name__ == "__main__":
    sys.exit(main())
