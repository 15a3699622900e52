"""A safetensors file read as hostile input: its header checked, each tensor read when asked for.

The layout is that of https://github.com/huggingface/safetensors, whose own reader judges whether a
file is whole: types, shapes and places that fit each other and the file. It is asked before a byte
of a tensor is read, and after the header's length was looked at.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import open_model_file
from edge_bert.store.os_faults import describe_os_error
from edge_bert.text import one_line

# Names, types and places of 10,000 tensors take one.
MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_TENSORS = 100_000
MAX_AXES = 16
METADATA = "__metadata__"
NUMBERS = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"},
    **{"I8": "<i1", "U8": "<u1", "I32": "<i4", "I64": "<i8"},
}

# What safetensors and NumPy raise for a file that lies.
UNREADABLE = (TypeError, AttributeError, ValueError)

Array = npt.NDArray[Any]


class _Place(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class _FileIdentity(NamedTuple):
    """What changes when a file is written anew."""

    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that lies in a file: its type as safetensors calls it, its shape, its first byte."""

    path: Path
    kind: str
    shape: tuple[int, ...]
    start: int
    file: _FileIdentity

    def read_values(self) -> Array:
        """The numbers as they are stored, of a type in NUMBERS; bfloat16 as its sixteen bits.

        Raises ModelError where the file is no longer the one whose header was read.
        """
        count = math.prod(self.shape)
        try:
            with self.path.open("rb") as stream:
                same = _identify(stream.fileno()) == self.file
                stream.seek(self.start)
                values = np.fromfile(stream, NUMBERS[self.kind], count if same else 0)
        except OSError as error:
            raise ModelError(f"{self.path} cannot be read ({error.strerror}).") from error
        if not same or values.size != count:
            raise ModelError(f"{self.path} was changed while it was read; try again.")
        return values.reshape(self.shape)


def read_header(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file by their names, none of them read.

    Raises ModelError for a file that is not whole, and for a header beyond all bounds.
    """
    from safetensors import SafetensorError, safe_open

    try:
        held = open_model_file(path)
        with held.open_stream() as stream:
            size = int.from_bytes(stream.read(8), "little")
            file = _identify(stream.fileno())
            if MAX_HEADER_BYTES < size < file.size:
                raise ModelError(
                    f"{path} has a header of {size} bytes, more than {MAX_HEADER_BYTES} for names; "
                    "save the weights in several files."
                )
            with safe_open(held.open_path, framework="numpy") as judge:
                names = set(judge.keys())
            places = _decode_places(stream.read(size))
    except OSError as error:
        raise ModelError(str(describe_os_error(error))) from error
    except (SafetensorError, msgspec.MsgspecError, *UNREADABLE) as error:
        raise ModelError(
            f"{path} is damaged or not whole ({one_line(error)}); download the model again."
        ) from error
    if names != places.keys():
        raise ModelError(f"{path} is damaged or not whole; download the model again.")
    _check_counts(path, places)
    return {
        name: StoredTensor(path, place.dtype, place.shape, 8 + size + place.data_offsets[0], file)
        for name, place in places.items()
    }


def _decode_places(header: bytes) -> dict[str, _Place]:
    entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
    return {
        name: msgspec.json.decode(entry, type=_Place)
        for name, entry in entries.items()
        if name != METADATA
    }


def _check_counts(path: Path, places: dict[str, _Place]) -> None:
    axes = max((len(place.shape) for place in places.values()), default=0)
    for count, most, what in (
        (len(places), MAX_TENSORS, "tensors"),
        (axes, MAX_AXES, "axes of a tensor"),
    ):
        if count > most:
            raise ModelError(f"{path} has {count} {what}; edge-bert reads {most} at most.")


def _identify(handle: int) -> _FileIdentity:
    status = os.fstat(handle)
    return _FileIdentity(status.st_ino, status.st_size, status.st_mtime_ns)
