"""CSV and TSV files: a header, and rows of as many fields."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from edge_bert.data.files import printable_name, read_data_text, read_lines
from edge_bert.errors import DataError

Record = tuple[int, list[str]]
# What programs write in place of commas: spreadsheets where a comma is the decimal sign, and dumps.
SEPARATORS = (";", "\t", "|")
_SEPARATOR_LINE = re.compile(r"sep=([,;|\t])\r?\n", re.I)


def read_delimited(path: Path) -> tuple[tuple[str, ...], Iterator[Record]]:
    """The columns of a CSV or TSV file, and its records: where each ends, and its fields.

    Raises DataError for another ending or a header that names no columns, and while iterating for
    a record that does not have as many fields as the header.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{printable_name(path)}: is not a table; give a .csv, .tsv, .jsonl or .json file"
        )
    filled = (record for record in reader(path) if any(record[1]))
    _, header = next(filled, (0, []))
    if not header:
        raise DataError(
            f"{printable_name(path)}: has no header; name the columns in its first line"
        )
    columns = tuple(column.strip() for column in header)
    if len(set(columns)) < len(columns):
        raise DataError(f"{printable_name(path)}: names a column twice in its header; rename one")
    return columns, _checked(path, columns, filled)


def _checked(path: Path, columns: tuple[str, ...], records: Iterator[Record]) -> Iterator[Record]:
    for line, fields in records:
        if len(fields) != len(columns):
            raise DataError(
                f"{printable_name(path)}: line {line} has {len(fields)} fields, the header has "
                f"{len(columns)}; quote fields that hold a separator"
            )
        yield line, fields


def _read_csv(path: Path) -> Iterator[Record]:
    text = read_data_text(path)
    named = _SEPARATOR_LINE.match(text)
    text = text[named.end() :] if named else text
    separator = named[1] if named else find_separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for fields in reader:
            yield reader.line_num + bool(named), fields
    except csv.Error as error:
        raise DataError(
            f"{printable_name(path)}: line {reader.line_num} is not CSV ({error}); check its quotes"
        ) from error


def find_separator(text: str) -> str:
    """The separator of a CSV text by its first line: a comma, or the one that stands there."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return next((mark for mark in SEPARATORS if mark in header and "," not in header), ",")


def _read_tsv(path: Path) -> Iterator[Record]:
    lines = read_lines(path)
    header = next((line for line in lines if line.strip()), "")
    if "\t" not in header and find_separator(header) in header:
        raise DataError(
            f"{printable_name(path)}: has no tab in its header, but {find_separator(header)!r}; "
            "name it .csv"
        )
    for number, line in enumerate(lines, start=1):
        if line:
            yield number, line.split("\t")


_READERS = {".csv": _read_csv, ".tsv": _read_tsv}
