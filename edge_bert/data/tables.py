"""Tables of text: CSV, TSV and JSONL files as named columns and rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.data.files import printable_name, read_lines, read_text
from edge_bert.errors import DataError


@dataclass(frozen=True)
class Row:
    """One row; `line` is where it ends in the file, counted from 1."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Column names, and rows that are read, and checked, only when they are asked for."""

    source: str
    columns: tuple[str, ...]
    rows: Iterable[Row]

    def cell(self, row: Row, column: str) -> str:
        """The text at a row and column. Raises DataError when there is none."""
        value = row.values.get(column, "").strip()
        if not value:
            raise DataError(f"{self.source}: line {row.line} has nothing in column {column!r}")
        return value

    def columns_shown(self) -> str:
        """The column names for a message."""
        return (
            printable_name(", ".join(repr(printable_name(column)) for column in self.columns))
            or "none"
        )


def is_table(path: Path) -> bool:
    """Whether the file's name says that it is a table that `read_table` can read."""
    return path.suffix.lower() in _READERS


def read_table(path: Path) -> Table:
    """Reads the header of a table; its rows follow when they are iterated.

    CSV is quoted as RFC 4180 says. TSV has no quoting: a quote is a character like any other.
    A line of JSONL is an object, or a string, which then is in the column `text`.
    Raises DataError, also while the rows are iterated.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{printable_name(path)}: is not a table; give a .csv, .tsv or .jsonl file")
    return reader(path)


def _read_csv(path: Path) -> Table:
    return _with_header(path, _csv_records(path, read_text(path)))


def _csv_records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(
            f"{printable_name(path)}: line {reader.line_num} is not CSV ({error}); check its quotes"
        ) from error


def _read_tsv(path: Path) -> Table:
    lines = enumerate(read_lines(path), start=1)
    return _with_header(path, ((number, line.split("\t")) for number, line in lines if line))


def _with_header(path: Path, records: Iterator[tuple[int, list[str]]]) -> Table:
    filled = ((line, fields) for line, fields in records if any(fields))
    _, header = next(filled, (0, []))
    if not header:
        raise DataError(
            f"{printable_name(path)}: has no header; name the columns in its first line"
        )
    columns = tuple(column.strip() for column in header)
    if len(set(columns)) < len(columns):
        raise DataError(f"{printable_name(path)}: names a column twice in its header; rename one")
    return Table(source=printable_name(path), columns=columns, rows=_rows(path, columns, filled))


def _rows(
    path: Path, columns: tuple[str, ...], records: Iterator[tuple[int, list[str]]]
) -> Iterator[Row]:
    for line, fields in records:
        if len(fields) != len(columns):
            raise DataError(
                f"{printable_name(path)}: line {line} has {len(fields)} fields, the header has "
                f"{len(columns)}; quote fields that hold a separator"
            )
        yield Row(line=line, values=dict(zip(columns, fields, strict=True)))


def _read_jsonl(path: Path) -> Table:
    lines = enumerate(read_lines(path), start=1)
    rows = [_json_row(path, number, line) for number, line in lines if line.strip()]
    return Table(source=printable_name(path), columns=tuple(rows[0].values), rows=rows)


def _json_row(path: Path, number: int, line: str) -> Row:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(
            f"{printable_name(path)}: line {number} is not JSON ({printable_name(error)})"
        ) from error
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise DataError(
            f"{printable_name(path)}: line {number} is neither a JSON object nor a string"
        )
    return Row(line=number, values={name: as_text(cell) for name, cell in value.items()})


def as_text(cell: object) -> str:
    """A cell as text; empty where it is no text, number or truth value."""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, str | int | float):
        return str(cell)
    return ""


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
