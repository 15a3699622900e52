"""A model's JSON files, read as hostile input: regular files of bounded size, checked for type."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import read_model_bytes
from edge_bert.text import one_line

MAX_JSON_BYTES = 64 * 1024 * 1024
Decoded = TypeVar("Decoded")


class Versioned(Protocol):
    """A record of a file that says in which version of its form it was written."""

    @property
    def format_version(self) -> int:
        """The version."""
        ...


VersionedRecord = TypeVar("VersionedRecord", bound=Versioned)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; ModelError if there is none."""
    return read_json_as(dict[str, Any], path)


def read_json_as(kind: type[Decoded], path: Path) -> Decoded:
    """What `path` holds, as `kind`; ModelError if it is missing, too large or something else."""
    try:
        return msgspec.json.decode(read_model_bytes(path, MAX_JSON_BYTES), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} does not hold the JSON it should: {one_line(error)}") from error


def read_versioned(
    kind: type[VersionedRecord], path: Path, version: int, advice: str
) -> VersionedRecord:
    """What a file of ours beside a model's holds, as `kind`.

    Raises ModelError, with the `advice` that ends its line, for another version than `version`, and
    as `read_json_as`.
    """
    record = read_json_as(kind, path)
    if record.format_version != version:
        raise ModelError(
            f"{path} has format version {record.format_version}, this edge-bert reads "
            f"{version}; {advice}."
        )
    return record
