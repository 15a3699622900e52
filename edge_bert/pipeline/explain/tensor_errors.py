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
from edge_bert.quantize.integer.analyze import explain as form
from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.explanation import TensorError
from edge_bert.runtimes.tflite_tensors import Stored, read_tensors

Array = npt.NDArray[Any]
Inputs = dict[str, Array]  # int32 [1, n] or [rows, n] by name
ROWS_AT_ONCE = 4  # all tensors of one sentence of 128 tokens are about 20 MB
CHANNELS = 3


@dataclass(frozen=True)
class TensorRun:
    """The errors of all tensors; outputs and what they should be [sentences, width]."""

    tensors: tuple[TensorError, ...]
    outputs: FloatArray
    expected: FloatArray


def tensor_errors(
    path: Path,
    lengths: Mapping[str, int],
    source: RecipeGraphs,
    sentences: Sequence[Inputs],
    pad_id: int,
) -> TensorRun:
    """Run the file at `path` on `sentences` ([1, n] each), every one in its smallest signature.

    `lengths` are those of the signatures. Raises VerificationError when the file does not run, and
    InputError when it does not have the operators that the calibration leads to.
    """
    places = form.shown_tensors(source)
    sums: dict[str, ErrorSums] = {}
    rows: list[tuple[Array, Array]] = []
    wanted = [*(place.name for place in places), source.graph(1).output]
    for sentence, stored in _stored(path, lengths, sentences, pad_id, wanted):
        graph = source.graph(sentence["input_ids"].shape[-1])
        right = form.float_values(source.calibrated, graph, sentence)
        for place in places:
            how = _of(stored, place.name, path)
            known = sums.setdefault(place.name, _sums(how, place))
            known.see(right[place.name], _real(how, graph.shape(place.name)))
        output = _real(_of(stored, graph.output, path), graph.shape(graph.output))
        rows.append((output.reshape(-1), right[graph.output].reshape(-1)))
    return TensorRun(
        tensors=tuple(_error(place, sums[place.name]) for place in places),
        outputs=np.stack([each for each, _ in rows]),
        expected=np.stack([each for _, each in rows]),
    )


def _stored(
    path: Path,
    lengths: Mapping[str, int],
    sentences: Sequence[Inputs],
    pad_id: int,
    names: Sequence[str],
) -> Iterator[tuple[Inputs, dict[str, Stored]]]:
    """Each sentence with its tensors, a few sentences at a time."""
    buckets: dict[int, list[Inputs]] = {}
    for sentence in sentences:
        length = choose_bucket(sentence["input_ids"].shape[-1], lengths.values())
        buckets.setdefault(length, []).append(sentence)
    signatures = {length: name for name, length in lengths.items()}
    for length, found in sorted(buckets.items()):
        for start in range(0, len(found), ROWS_AT_ONCE):
            part = found[start : start + ROWS_AT_ONCE]
            inputs = _together(part, length, pad_id)
            yield from zip(part, read_tensors(path, signatures[length], inputs, names), strict=True)


def _together(sentences: Sequence[Inputs], length: int, pad_id: int) -> Inputs:
    """Inputs [sentences, length], padded on the right."""
    return {
        name: np.concatenate(
            [
                np.pad(
                    each[name],
                    ((0, 0), (0, length - each[name].shape[-1])),
                    constant_values=pad_id if name == "input_ids" else 0,
                )
                for each in sentences
            ]
        )
        for name in sentences[0]
    }


def _of(stored: Mapping[str, Stored], name: str, path: Path) -> Stored:
    if name not in stored:
        raise InputError(
            f"{path} has no tensor {name}: another version of edge-bert made it; build it again."
        )
    return stored[name]


def _real(how: Stored, shape: tuple[int, ...]) -> Array:
    """Real values without the padding."""
    values = form.remove_padding(how.values, shape).astype(np.float64)
    return (values - how.zero_point) * how.scale


def _sums(how: Stored, place: form.Place) -> ErrorSums:
    bits = 8 * how.values.dtype.itemsize
    return ErrorSums(how.scale, how.zero_point, bits, place.by_channel)


def _error(place: form.Place, sums: ErrorSums) -> TensorError:
    low, high = sums.range
    return TensorError(
        name=place.name,
        layer=place.layer,
        kind=place.kind,
        operator=place.operator,
        bits=sums.bits,
        scale=sums.scale,
        zero_point=sums.zero_point,
        low=low,
        high=high,
        seen_low=sums.low,
        seen_high=sums.high,
        clipped=sums.clipped,
        sqnr_db=_rounded(to_decibels(sums.signal, sums.noise)),
        own_sqnr_db=_rounded(to_decibels(sums.signal, sums.own_noise)),
        cosine=round(sums.cosine, 7),
        worst_channels=sums.worst_channels(CHANNELS),
    )


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)
