"""The file of a learned encoder, beside the weights that it was trained with.

It is a safetensors file that says which model it belongs to, with a SHA-256 over all it says:
a damaged one, or one beside other weights, is never built from.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import has_model_file, open_model_file
from edge_bert.quantize.integer.calibrate.dataclass_arrays import (
    Fact,
    flatten_dataclass,
    restore_dataclass,
)
from edge_bert.quantize.integer.calibrate.learned_encoder import LearnedEncoder, Range
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder
from edge_bert.records.base import Record
from edge_bert.records.checkpoint import Checkpoint, find_shape
from edge_bert.store.os_faults import describe_os_error
from edge_bert.text import one_line

FILE = "learned_integers.safetensors"
VERSION = 1
SPARE_BYTES, MAX_BYTES = 2**24, 2**32
FACTS, DIGEST, SCALE = "facts", "sha256", "scale."
Arrays = dict[str, npt.NDArray[Any]]


class LearnedFacts(Record, frozen=True):
    """What the file says beside its arrays; `model` is the digest of the checkpoint's files."""

    version: int
    recipe: str
    model: str
    ranges: dict[str, Range]
    score_peaks: dict[int, Range]
    structure: dict[str, Fact]


def encode_learned(learned: LearnedEncoder, model: str) -> bytes:
    """The bytes of the file; `model` is the SHA-256 of the checkpoint that it goes with."""
    from safetensors.numpy import save

    arrays, structure = flatten_dataclass(learned.codes)
    arrays |= {f"{SCALE}{name}": scale for name, scale in learned.scales.items()}
    ordered = {name: np.array(array, order="C") for name, array in arrays.items()}
    facts = LearnedFacts(
        version=VERSION,
        recipe=learned.recipe,
        model=model,
        ranges=dict(learned.ranges),
        score_peaks={
            layer: peaks for layer, peaks in learned.score_peaks.items() if layer is not None
        },
        structure=structure,
    )
    text = msgspec.json.encode(facts).decode()
    return save(ordered, {FACTS: text, DIGEST: _digest(ordered, text)})


def find_learned(checkpoint: Checkpoint) -> LearnedEncoder | None:
    """The learned encoder in the model's folder; None where there is none.

    Raises ModelError as `read_learned`.
    """
    path = None if checkpoint.folder is None else checkpoint.folder / FILE
    if path is None or not has_model_file(path):
        return None
    open_model_file(path, _count_most_bytes(checkpoint))  # all of it is read, so it is bounded
    return read_learned(path, checkpoint.sha256)


def _count_most_bytes(checkpoint: Checkpoint) -> int:
    """More than the integers and scales of the checkpoint's weights ever take."""
    shapes = (find_shape(checkpoint.weights, name) for name in checkpoint.weights)
    return min(MAX_BYTES, SPARE_BYTES + 8 * sum(math.prod(shape) for shape in shapes if shape))


def read_learned(path: Path, model: str) -> LearnedEncoder:
    """The learned encoder in the file at `path`.

    Raises ModelError where it is damaged, of another version, or belongs to another model than the
    one whose SHA-256 is `model`.
    """
    arrays, text, digest = _read(path)
    try:
        facts = msgspec.json.decode(text, type=LearnedFacts)
    except msgspec.MsgspecError as error:
        raise _damaged(path, one_line(error)) from error
    if facts.version != VERSION:
        raise ModelError(
            f"{path} is of version {facts.version}, this edge-bert reads {VERSION}; run `invoke "
            "qat` again, or delete the file to calibrate instead."
        )
    if facts.model != model:
        raise ModelError(
            f"{path} was trained with other weights or another tokenizer than its folder holds; "
            "run `invoke qat` again, or delete the file to calibrate instead."
        )
    try:
        codes = restore_dataclass(EqualizedEncoder, arrays, facts.structure)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{one_line(error)} is missing") from error
    scales = {
        name.removeprefix(SCALE): array for name, array in arrays.items() if name.startswith(SCALE)
    }
    _check_scales(path, scales)
    peaks: dict[int | None, Range] = dict(facts.score_peaks.items())
    return LearnedEncoder(facts.recipe, codes, scales, facts.ranges, peaks, digest)


def _check_scales(path: Path, scales: Mapping[str, npt.NDArray[Any]]) -> None:
    for name, scale in scales.items():
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ModelError(
                f"{path}: the scales of {name} are not all above 0; run `invoke qat` again, or "
                "delete the file to calibrate instead."
            )


def _read(path: Path) -> tuple[Arrays, str, str]:
    """The arrays, what the file says, and the SHA-256 of both."""
    from safetensors import SafetensorError, safe_open

    held = open_model_file(path)
    try:
        with safe_open(held.open_path, framework="numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
            said = dict(file.metadata() or {})
    except OSError as error:
        raise describe_os_error(error) from error
    except (SafetensorError, ValueError) as error:
        raise _damaged(path, one_line(error)) from error
    text = said.get(FACTS, "")
    digest = _digest(arrays, text)
    if said.get(DIGEST) != digest:
        raise _damaged(path, "its SHA-256 is not that of its content")
    return arrays, text, digest


def _digest(arrays: Arrays, text: str) -> str:
    """SHA-256 over names, types, shapes and values, and over what the file says."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path} is damaged ({why}); run `invoke qat` again, or delete it to calibrate instead."
    )
