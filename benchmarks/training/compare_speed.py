"""How much faster one model is than another: both files in one process, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_bert.convert.keras_to_tflite import convert_to_tflite, signature_name
from edge_bert.sources.load import load_checkpoint
from edge_bert.store.cache import cache_folder

ROUNDS, WARM_UP = 60, 5


def compare_speed(whole: str | None, small: str, length: int) -> tuple[float, float]:
    """Median milliseconds of both at `length` tokens, one thread; rounds alternate.

    Each is a model, which is timed in float32, or the path of a .tflite file of a bundle.
    """
    runs = [_open_model(model, length) for model in (whole, small)]
    times: list[list[float]] = [[], []]
    for round_number in range(WARM_UP + ROUNDS):
        for index, run in enumerate(runs):
            started = time.perf_counter()
            run()
            if round_number >= WARM_UP:
                times[index].append(1000 * (time.perf_counter() - started))
    return statistics.median(times[0]), statistics.median(times[1])


def _open_model(model: str | None, length: int) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    content = _read_file(model, length)
    interpreter = Interpreter(model_content=content, num_threads=1)
    runner = interpreter.get_signature_runner(signature_name(length))
    inputs = {
        name: np.full((1, length), 1 if name == "attention_mask" else 5, np.int32)
        for name in runner.get_input_details()
    }
    inputs = {
        name: np.zeros_like(values) if name == "token_type_ids" else values
        for name, values in inputs.items()
    }

    def run(content: bytes = content) -> object:  # the runtime reads from these bytes
        del content
        return runner(**inputs)

    return run


def _read_file(model: str | None, length: int) -> bytes:
    """The bytes of a .tflite file, or of a model's float32 file."""
    if model is not None and model.endswith(".tflite"):
        return Path(model).read_bytes()
    return convert_to_tflite(load_checkpoint(model, cache_folder("models")), [length])
