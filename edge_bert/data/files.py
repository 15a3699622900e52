"""Reading a text file that a user gave: whole, bounded and checked."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NoReturn

from edge_bert.errors import DataError

MAX_BYTES = 64_000_000
# The marks of UTF-32 begin with those of UTF-16, so that they are looked for first.
_MARKS = (
    ("UTF-32", codecs.BOM_UTF32_LE),
    ("UTF-32", codecs.BOM_UTF32_BE),
    ("UTF-16", codecs.BOM_UTF16_LE),
    ("UTF-16", codecs.BOM_UTF16_BE),
)


def read_lines(path: Path) -> list[str]:
    """The lines of a user's file without their ends; a byte order mark is dropped.

    Only line feeds and carriage returns end a line: the separators U+2028 and U+0085, which
    `str.splitlines` also obeys, occur inside sentences. Raises DataError, as `read_data_text`.
    """
    return split_lines(read_data_text(path))


def split_lines(text: str) -> list[str]:
    """The lines of a text without their ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_data_text(path: Path) -> str:
    """The text of a UTF-8 file, or of one in UTF-16 or UTF-32 whose byte order mark says so.

    Raises DataError, as `read_text`.
    """
    data = _read_bytes(path)
    encoding = _marked_encoding(data)
    if encoding is None:
        return _decode(path, data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{printable_name(path)}: is damaged {encoding} (at offset {error.start}); save it as "
            "UTF-8"
        ) from error
    return _checked(path, text)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file of at most `MAX_BYTES`.

    Raises DataError when the file is missing, unreadable, empty, too large, binary or not
    UTF-8 (with the offset of the first bad byte).
    """
    return decode_text(path, _read_bytes(path))


def decode_text(path: Path, data: bytes) -> str:
    """As `read_text`, of the bytes of a file that was read; `path` is for messages."""
    encoding = _marked_encoding(data)
    if encoding is not None:
        raise DataError(f"{printable_name(path)}: is {encoding}; save it as UTF-8")
    return _decode(path, data)


def _marked_encoding(data: bytes) -> str | None:
    return next((encoding for encoding, mark in _MARKS if data.startswith(mark)), None)


def _decode(path: Path, data: bytes) -> str:
    if _looks_like_utf16(data):
        raise DataError(
            f"{printable_name(path)}: looks like UTF-16 without a byte order mark; save it as UTF-8"
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if b"\0" in data:
            _refuse_binary(path, data.index(0))
        raise DataError(
            f"{printable_name(path)}: is not UTF-8 (bad byte 0x{data[error.start]:02x} at offset "
            f"{error.start}); save it as UTF-8"
        ) from error
    return _checked(path, text)


def _looks_like_utf16(data: bytes) -> bool:
    """Whether every other byte of the start is mostly zero, as those of letters are in UTF-16."""
    head = data[:1000]
    shares = [head[start::2].count(0) / max(len(head[start::2]), 1) for start in (0, 1)]
    return max(shares) > 0.5 and min(shares) < 0.1


def _checked(path: Path, text: str) -> str:
    if "\0" in text:
        _refuse_binary(path, len(text[: text.index("\0")].encode()))
    if not text.strip():
        raise DataError(f"{printable_name(path)}: is empty; give a file with text in it")
    return text


def _refuse_binary(path: Path, offset: int) -> NoReturn:
    raise DataError(
        f"{printable_name(path)}: is binary (a NUL byte at offset {offset}); give a text file"
    )


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
