"""Running an encoder on tokenized rows, as Keras model or as TFLite file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edge_bert.convert.keras_to_tflite import signature_name
from edge_bert.records.checkpoint import Checkpoint

Rows = Sequence[Mapping[str, Sequence[int]]]
ModelOf = Callable[[str], Checkpoint]
KerasOf = Callable[[str], Any]
TfliteOf = Callable[[str], bytes]
LENGTHS = (16, 64, 128)
Inputs = dict[str, np.ndarray]


def bucketed(
    rows: Rows, names: Sequence[str], lengths: Sequence[int], run: Callable[[int, Inputs], Any]
) -> np.ndarray:
    """`run(length, inputs [n, length])` for the rows of each bucket; its outputs in their order.

    A row goes to the smallest of `lengths` that holds it, and is padded on the right with zeros.
    """
    homes = [min(n for n in lengths if n >= len(row["input_ids"])) for row in rows]
    found: dict[int, np.ndarray] = {}
    for length in sorted(set(homes)):
        mine = [at for at, home in enumerate(homes) if home == length]
        inputs = {name: np.zeros((len(mine), length), np.int32) for name in names}
        for line, at in enumerate(mine):
            count = len(rows[at]["input_ids"])
            for name in names:
                inputs[name][line, :count] = rows[at].get(name, 1)
        found |= zip(mine, np.asarray(run(length, inputs)), strict=True)
    return np.stack([found[at] for at in range(len(rows))])


def keras_runner(encoder: Any) -> Callable[[int, Inputs], Any]:
    """The Keras encoder, eagerly, a whole bucket at once."""
    return lambda _, inputs: encoder(**inputs)


def tflite_runner(data: bytes) -> Callable[[int, Inputs], np.ndarray]:
    """A TFLite file with one signature per length, one sentence at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)

    def run(length: int, inputs: Inputs) -> np.ndarray:
        runner = interpreter.get_signature_runner(signature_name(length))
        lines = range(len(inputs["input_ids"]))
        singles = [{name: part[at : at + 1] for name, part in inputs.items()} for at in lines]
        return np.concatenate([next(iter(runner(**single).values())) for single in singles])

    return run
