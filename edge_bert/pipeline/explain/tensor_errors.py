"""Every tensor of an integer file, as the runtime computes it, beside its float value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.data.buckets import choose_bucket
from edge_bert.errors import InputError
from edge_bert.evaluate.layer_error import ErrorSums, to_decibels
from edge_bert.evaluate.outputs import stack_rows
from edge_bert.quantize.integer.analyze.explain import (
    IntegerOutput,
    float_values,
    integer_outputs,
    remove_padding,
)
from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.explanation import TensorError
from edge_bert.runtimes.tflite_tensors import Stored, read_tensors

Array = npt.NDArray[Any]
Inputs = dict[str, Array]  # int32 [1, n] or [rows, n] by name
BATCH_SIZE = 4  # all tensors of one sentence of 128 tokens are about 20 MB
CHANNELS = 3


@dataclass(frozen=True)
class IntegerFile:
    """A file by its path: the length of each signature, and the tokenizer's padding id."""

    path: Path
    lengths: Mapping[str, int]
    pad_id: int


@dataclass(frozen=True)
class TensorRun:
    """The errors of all tensors; outputs and their float values [sentences, width].

    Where the model gives tokens, zeros stand behind those of a sentence.
    """

    tensors: tuple[TensorError, ...]
    outputs: FloatArray
    expected: FloatArray


def tensor_errors(
    file: IntegerFile, graphs: RecipeGraphs, sentences: Sequence[Inputs]
) -> TensorRun:
    """Run the file on `sentences` ([1, n] each), every one in its smallest signature.

    Raises VerificationError where the file does not run, and InputError where it lacks a tensor
    that the calibration leads to.
    """
    outputs = integer_outputs(graphs)
    sums: dict[str, ErrorSums] = {}
    rows: list[tuple[Array, Array]] = []
    names = [*(output.name for output in outputs), graphs.graph(1).output]
    for sentence, tensors in _run_file(file, sentences, names):
        graph = graphs.graph(sentence["input_ids"].shape[-1])
        expected = float_values(graphs.calibrated, graph, sentence)
        for output in outputs:
            stored = _find_tensor(tensors, output.name, file.path)
            error_sums = sums.setdefault(output.name, _error_sums(stored, output))
            error_sums.update(expected[output.name], _dequantize(stored, graph.shape(output.name)))
        stored = _find_tensor(tensors, graph.output, file.path)
        values = _dequantize(stored, graph.shape(graph.output))
        rows.append((values.reshape(-1), expected[graph.output].reshape(-1)))
    return TensorRun(
        tensors=tuple(_tensor_error(output, sums[output.name]) for output in outputs),
        outputs=stack_rows([values for values, _ in rows]),
        expected=stack_rows([expected for _, expected in rows]),
    )


def _run_file(
    file: IntegerFile, sentences: Sequence[Inputs], names: Sequence[str]
) -> Iterator[tuple[Inputs, dict[str, Stored]]]:
    """Each sentence with its tensors, BATCH_SIZE sentences at a time."""
    buckets: dict[int, list[Inputs]] = {}
    for sentence in sentences:
        length = choose_bucket(sentence["input_ids"].shape[-1], file.lengths.values())
        buckets.setdefault(length, []).append(sentence)
    signatures = {length: name for name, length in file.lengths.items()}
    for length, bucket in sorted(buckets.items()):
        for first in range(0, len(bucket), BATCH_SIZE):
            batch = bucket[first : first + BATCH_SIZE]
            inputs = _pad_batch(batch, length, file.pad_id)
            tensors = read_tensors(file.path, signatures[length], inputs, names)
            yield from zip(batch, tensors, strict=True)


def _pad_batch(sentences: Sequence[Inputs], length: int, pad_id: int) -> Inputs:
    """Inputs [sentences, length], padded on the right."""
    return {
        name: np.concatenate(
            [
                np.pad(
                    sentence[name],
                    ((0, 0), (0, length - sentence[name].shape[-1])),
                    constant_values=pad_id if name == "input_ids" else 0,
                )
                for sentence in sentences
            ]
        )
        for name in sentences[0]
    }


def _find_tensor(tensors: Mapping[str, Stored], name: str, path: Path) -> Stored:
    if name not in tensors:
        raise InputError(
            f"{path} has no tensor {name}: another version of edge-bert made it; build it again."
        )
    return tensors[name]


def _dequantize(stored: Stored, shape: tuple[int, ...]) -> Array:
    """Real values without the padding."""
    values = remove_padding(stored.values, shape).astype(np.float64)
    return (values - stored.zero_point) * stored.scale


def _error_sums(stored: Stored, output: IntegerOutput) -> ErrorSums:
    bits = 8 * stored.values.dtype.itemsize
    return ErrorSums(stored.scale, stored.zero_point, bits, output.by_channel)


def _tensor_error(output: IntegerOutput, sums: ErrorSums) -> TensorError:
    low, high = sums.range
    return TensorError(
        name=output.name,
        layer=output.layer,
        role=output.role,
        operator=output.operator,
        bits=sums.bits,
        scale=sums.scale,
        zero_point=sums.zero_point,
        low=low,
        high=high,
        observed_low=sums.low,
        observed_high=sums.high,
        clipped=sums.clipped,
        sqnr_db=_round(to_decibels(sums.signal, sums.noise)),
        own_sqnr_db=_round(to_decibels(sums.signal, sums.own_noise)),
        cosine=round(sums.cosine, 7),
        worst_channels=sums.worst_channels(CHANNELS),
    )


def _round(decibels: float | None) -> float | None:
    return None if decibels is None else round(decibels, 2)
