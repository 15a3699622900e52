"""TOML that a user wrote, read within bounds."""

from __future__ import annotations

import os

import msgspec

from edge_bert.errors import InputError
from edge_bert.text import one_line

# Ten times our largest file. Python's TOML reader takes time that grows with the square of a dotted
# key's length: minutes for one of 256 KB, a tenth of a second for one of this line's.
MAX_BYTES = 32 * 1024
MAX_LINE_BYTES = 2500


def is_toml_path(name: str) -> bool:
    """Whether `name` is the path of a file instead of the name of something that we ship."""
    return name.endswith(".toml") or os.sep in name


def decode_toml(
    file: str, data: bytes, noun: str, fault: type[InputError] = InputError
) -> dict[str, object]:
    """The document that the bytes of `file` hold, which should be a `noun`; raises `fault`."""
    if len(data) > MAX_BYTES:
        raise fault(f"{file} is larger than {MAX_BYTES} bytes; not a {noun}.")
    if max(map(len, data.split(b"\n"))) > MAX_LINE_BYTES:
        raise fault(f"{file} has a line of more than {MAX_LINE_BYTES} bytes; break it.")
    try:
        return msgspec.toml.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise fault(f"{file} is not valid TOML: {one_line(error, 300)}") from error
