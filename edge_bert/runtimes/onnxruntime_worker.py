"""Run one `.onnx` file in a process of its own; started by `onnx_file.py`, never imported.

    python onnx_worker.py MODEL INPUTS.npz OUTPUTS.npz OUTPUT

INPUTS holds integer arrays `[length]` under the names `<row>|<input>`; OUTPUTS gets one array per
row under its number, the first of the batch. Inputs of fixed sizes are filled up with zeros, so a
row needs a mask. The last line on stdout is JSON: `{}`, or `{"error": ...}` with exit status 1.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}


def main(arguments: list[str]) -> int:
    """Run every row; print the JSON line; 0 if all went well, else 1."""
    try:
        run_rows(*arguments)
        answer = {}
    except Exception as error:  # whatever the runtime throws must reach the caller as data
        answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:400]}
    print(json.dumps(answer), flush=True)  # noqa: T201 - stdout is the interface
    return 1 if answer else 0


def run_rows(model: str, inputs: str, outputs: str, output: str) -> None:
    """Load the model, run all rows, write what `output` gives."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    specs = {each.name: each for each in session.get_inputs()}
    rows: dict[str, dict[str, Any]] = {}
    with np.load(inputs, allow_pickle=False) as archive:
        for key in archive.files:
            row, _, name = key.partition("|")
            rows.setdefault(row, {})[name] = _fitted(specs[name], archive[key])
    found = {row: session.run([output], feeds)[0][0] for row, feeds in rows.items()}
    np.savez(outputs, allow_pickle=False, **found)


def _fitted(spec: Any, values: Any) -> Any:
    """A row as the batch that the graph takes, filled up with zeros to a fixed length."""
    sizes = [size if isinstance(size, int) else None for size in spec.shape]
    batch, length = sizes[0] or 1, sizes[-1] or len(values)
    if len(values) > length:
        raise ValueError(f"{len(values)} tokens do not fit the fixed length of {length}")
    filled = np.zeros((batch, length), NUMBERS[spec.type])
    filled[:, : len(values)] = values
    return filled


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
