"""Reading a text file that a user gave: whole, bounded and checked."""

from __future__ import annotations

import codecs
from pathlib import Path

from edge_bert.errors import DataError

MAX_BYTES = 64_000_000
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file without their ends; a byte order mark is dropped.

    Only line feeds and carriage returns end a line: the separators U+2028 and U+0085, which
    `str.splitlines` also obeys, occur inside sentences. Raises DataError, as `read_text`.
    """
    return read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_text(path: Path) -> str:
    """The text of a UTF-8 file of at most `MAX_BYTES`.

    Raises DataError when the file is missing, unreadable, empty, too large, binary or not
    UTF-8 (with the offset of the first bad byte).
    """
    data = _read_bytes(path)
    if data.startswith(_UTF16_MARKS):
        raise DataError(f"{printable_name(path)}: is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise DataError(
            f"{printable_name(path)}: is binary (a NUL byte at offset {data.index(0)}); "
            "give a text file"
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{printable_name(path)}: is not UTF-8 (bad byte 0x{data[error.start]:02x} at offset "
            f"{error.start}); save it as UTF-8"
        ) from error
    if not text.strip():
        raise DataError(f"{printable_name(path)}: is empty; give a file with text in it")
    return text


def _read_bytes(path: Path) -> bytes:
    """Reads one byte past the limit at most, so that a growing file cannot fill the memory."""
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{printable_name(path)}: is not a regular file; give a text file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DataError(f"{printable_name(path)}: not found; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{printable_name(path)}: cannot be read ({reason})") from error
    if len(data) > MAX_BYTES:
        raise DataError(
            f"{printable_name(path)}: is larger than {MAX_BYTES // 1_000_000} MB; "
            "give a smaller one"
        )
    return data


def printable_name(name: object) -> str:
    """A name as one printable line of at most 200 characters, for messages."""
    text = str(name)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 200 else text[:197] + "..."
