"""A model's JSON files, read as hostile input: regular files of bounded size, checked for type."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge_bert.errors import ModelError
from edge_bert.text import one_line

MAX_JSON_BYTES = 64 * 1024 * 1024
Decoded = TypeVar("Decoded")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; ModelError if there is none."""
    return read_json_as(dict[str, Any], path)


def read_json_as(kind: type[Decoded], path: Path) -> Decoded:
    """What `path` holds, as `kind`; ModelError if it is missing, too large or something else."""
    try:
        if not path.is_file():
            raise ModelError(f"{path} is missing; give a folder in Hugging Face's layout.")
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelError(f"{path} is larger than {MAX_JSON_BYTES} bytes; not a configuration.")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} does not hold the JSON it should: {one_line(error)}") from error
    except OSError as error:
        raise ModelError(f"{one_line(path)} cannot be read ({error.strerror}).") from error
