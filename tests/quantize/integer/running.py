"""Running full-integer files of tiny encoders on the host's runtime, and looking inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.formats.tflite import flatbuffer
from tests.quantize.integer.encoders import Array, padded


class Running:
    """An opened file; outputs are whole steps of the output's scale."""

    def __init__(self, data: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=data, num_threads=1)

    def steps(self, length: int, inputs: Mapping[str, Array]) -> Array:
        """The int8 output [width] of one signature."""
        runner = self._interpreter.get_signature_runner(f"length_{length}")
        (output,) = runner(**inputs).values()
        return np.asarray(output.reshape(-1).astype(np.int64))

    def values(self, length: int, inputs: Mapping[str, Array]) -> Array:
        """The output [width] of a file that ends in float32."""
        runner = self._interpreter.get_signature_runner(f"length_{length}")
        (output,) = runner(**inputs).values()
        return np.asarray(output.reshape(-1))

    def real(self, length: int, inputs: Mapping[str, Array]) -> Array:
        """The output in real numbers."""
        runner = self._interpreter.get_signature_runner(f"length_{length}")
        (details,) = runner.get_output_details().values()
        scale, zero_point = details["quantization"]
        return np.asarray((self.steps(length, inputs) - zero_point) * scale)


def cosine(first: Array, second: Array) -> float:
    """Cosine of two vectors of any shape."""
    first, second = (np.asarray(each, np.float64).reshape(-1) for each in (first, second))
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def largest_change(
    running: Running, sentence: Sentence, lengths: tuple[int, ...], random: np.random.RandomState
) -> int:
    """By how many steps the output differs between buckets, with clean padding and with garbage."""
    count = sentence["input_ids"].shape[1]
    found = [
        running.steps(length, padded(sentence, length, garbage))
        for length in lengths
        if length >= count
        for garbage in (None, random)
    ]
    return int(np.ptp(found, axis=0).max())


def operators(model: Any, subgraph: Any) -> list[tuple[str, list[Any], list[Any]]]:
    """Name, input tensors and output tensors of every operator."""
    names = {value: name for name, value in vars(flatbuffer.load_schema().BuiltinOperator).items()}
    return [
        (
            names[flatbuffer.builtin_of(model, each)],
            [subgraph.tensors[index] for index in each.inputs],
            [subgraph.tensors[index] for index in each.outputs],
        )
        for each in subgraph.operators
    ]


def scale_of(tensor: Any) -> Array:
    """The scales of a tensor."""
    return np.asarray(tensor.quantization.scale, np.float64)


def zero_point_of(tensor: Any) -> Array:
    """The zero points of a tensor."""
    return np.asarray(tensor.quantization.zeroPoint)
