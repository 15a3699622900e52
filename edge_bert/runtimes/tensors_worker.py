"""Run one signature and keep every tensor; started by `tensors.py`, never imported.

    python tensor_worker.py MODEL REQUEST.npz OUTPUTS.npz SIGNATURE

REQUEST holds `names`, the tensors that are wanted, and int32 arrays `[rows, length]` as
`input|<name>`. OUTPUTS gets `<row>|<tensor>`, stored integers as they are. The last line on stdout
is JSON: scale and zero point of every wanted tensor that the file has; of float32, 1 and 0. Exit
status 1 with the reason on stderr where anything fails.

The runtime computes as it always does, with its XNNPACK delegate: the outputs are those of a plain
run, integer for integer.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np


def main(model: str, request: str, outputs: str, signature: str) -> int:
    """Run the request; 0 if all went well, else 1."""
    try:
        answer = read_tensors(model, request, outputs, signature)
    except Exception as error:  # whatever the runtime throws must reach the caller as a line
        sys.stderr.write(f"error: {' '.join(str(error).split()) or type(error).__name__}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def read_tensors(model: str, request: str, outputs: str, signature: str) -> dict[str, Any]:
    """Scale and zero point of each wanted tensor; their values go to `outputs`."""
    from ai_edge_litert.interpreter import Interpreter

    with np.load(request, allow_pickle=False) as archive:
        wanted = set(archive["names"].tolist())
        marked = {name: archive[name] for name in archive.files if name.startswith("input|")}
    inputs = {name.removeprefix("input|"): rows for name, rows in marked.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one warns that keeping tensors takes memory
        interpreter = Interpreter(model, experimental_preserve_all_tensors=True, num_threads=1)
    runner = interpreter.get_signature_runner(signature)
    graph = runner._subgraph_index
    _check_shapes(runner, inputs)
    kept: dict[str, Any] = {}
    found: dict[str, tuple[int, float, int]] = {}
    for row in range(len(next(iter(inputs.values())))):
        runner(**{name: rows[row : row + 1] for name, rows in inputs.items()})
        # Known only after the runner has allocated; every get_tensor is a copy.
        found = found or _places(interpreter, graph, wanted)
        for name, (place, _, _) in found.items():
            kept[f"{row}|{name}"] = interpreter.get_tensor(place, graph)
    np.savez(outputs, **kept)
    return {name: (scale, zero_point) for name, (_, scale, zero_point) in found.items()}


def _check_shapes(runner: Any, inputs: dict[str, Any]) -> None:
    # The runtime would silently resize an input of another length, and the graph with it.
    details = runner.get_input_details()
    if set(details) != set(inputs):
        raise ValueError(f"the signature takes {sorted(details)}, not {sorted(inputs)}")
    for name, rows in inputs.items():
        wanted, given = tuple(map(int, details[name]["shape"])), (1, *rows.shape[1:])
        if wanted != given:
            raise ValueError(f"input {name} has shape {wanted}, not {given}")


def _places(interpreter: Any, graph: int, wanted: set[str]) -> dict[str, tuple[int, float, int]]:
    """Index, scale and zero point by name, of the tensors that are float or have one scale."""
    return {
        each["name"]: (int(each["index"]), *_parameters(each))
        for each in interpreter.get_tensor_details(graph)
        if each["name"] in wanted and (_is_float(each) or _scales(each) == 1)
    }


def _is_float(detail: dict[str, Any]) -> bool:
    return bool(detail["dtype"] == np.float32)


def _scales(detail: dict[str, Any]) -> int:
    return len(detail["quantization_parameters"]["scales"])


def _parameters(detail: dict[str, Any]) -> tuple[float, int]:
    if _is_float(detail):
        return 1.0, 0
    scale, zero_point = detail["quantization"]
    return float(scale), int(zero_point)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
