"""Run signatures once each; started by `runtime_rounding.py` under the runtime's own Python.

    python operator_worker.py MODEL INPUTS.npz OUTPUTS.npz MODULE

Needs numpy and the runtime only. INPUTS holds arrays under the names `<signature>|<input>`; OUTPUTS
gets the first output of each signature under the signature's name.
"""

from __future__ import annotations

import importlib
import sys

import numpy as np


def main(model: str, inputs: str, outputs: str, module: str) -> None:
    """Run every signature that `inputs` names."""
    interpreter = importlib.import_module(f"{module}.interpreter").Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()  # else tflite-runtime 2.14.0 leaves out its XNNPACK delegate
    by_signature: dict[str, dict[str, np.ndarray]] = {}
    with np.load(inputs, allow_pickle=False) as archive:
        for key in archive.files:
            signature, _, name = key.partition("|")
            by_signature.setdefault(signature, {})[name] = archive[key]
    results = {}
    for signature, arrays in by_signature.items():
        (results[signature],) = interpreter.get_signature_runner(signature)(**arrays).values()
    np.savez(outputs, allow_pickle=False, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
