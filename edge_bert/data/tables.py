"""Tables of text: CSV, TSV, JSONL and JSON files as named columns and rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_bert.data.column_names import TEXT_COLUMNS
from edge_bert.data.delimited import read_delimited
from edge_bert.data.files import printable_name, read_lines
from edge_bert.data.json_rows import flatten_questions, parse_json, read_json_rows
from edge_bert.errors import DataError

LINES_ENDINGS = (".jsonl", ".ndjson")
JSON_ENDINGS = (".json", *LINES_ENDINGS)


@dataclass(frozen=True)
class Row:
    """One row; `line` is where it ends in the file, counted from 1.

    `values` has its cells as text, `lists` those cells of JSON that are arrays or objects.
    """

    line: int
    values: Mapping[str, str]
    lists: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Column names, and rows that are read, and checked, only when they are asked for.

    `unit` is what the numbers of rows count: lines, or the entries of an array.
    """

    source: str
    columns: tuple[str, ...]
    rows: Iterable[Row]
    unit: str = "line"

    def cell(self, row: Row, column: str) -> str:
        """The text at a row and column. Raises DataError when there is none."""
        value = row.values.get(column, "").strip()
        if not value:
            raise DataError(f"{self.place(row)} has nothing in column {column!r}")
        return value

    def place(self, row: Row) -> str:
        """Where a row is, for a message."""
        return f"{self.source}: {self.unit} {row.line}"

    def columns_shown(self) -> str:
        """The column names for a message."""
        return (
            printable_name(", ".join(repr(printable_name(column)) for column in self.columns))
            or "none"
        )


def read_table(path: Path, split: str | None = None, *, join: bool = False) -> Table:
    """Reads the header of a table; its rows follow when they are iterated.

    CSV is quoted as RFC 4180 says, with the separator that its header has. TSV has no quoting: a
    quote is a character like any other. A line of JSONL, and a row of JSON, is an object, a
    string, which then is in the column `text`, or an array of a text and its label. `split` and
    `join` are those of `read_json_rows`. Raises DataError, also while the rows are iterated.
    """
    ending = path.suffix.lower()
    if ending == ".json":
        return read_json_table(path, split, join=join)
    if split is not None:
        raise DataError(f"{printable_name(path)}: has no splits; leave split= out")
    if ending in LINES_ENDINGS:
        return _read_jsonl(path)
    columns, records = read_delimited(path)
    rows = (
        Row(line=line, values=dict(zip(columns, fields, strict=True))) for line, fields in records
    )
    return Table(source=printable_name(path), columns=columns, rows=rows)


def row_of_json(value: object, number: int, place: str) -> Row:
    """A row of JSON: an object, a string, or an array of a text and its label.

    An array of three is two texts and a score. Raises DataError for anything else.
    """
    if isinstance(value, str):
        value = {"text": value}
    if isinstance(value, list):
        value = _named_cells(value)
    if not isinstance(value, dict):
        raise DataError(
            f"{place} is neither a JSON object nor a string; give objects with a text, or strings"
        )
    texts = {str(name): as_text(cell) for name, cell in value.items()}
    lists = {str(name): cell for name, cell in value.items() if isinstance(cell, list | dict)}
    return Row(line=number, values=texts, lists=lists)


def as_text(cell: object) -> str:
    """A cell as text; empty where it is no text, number or truth value."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, str | int | float):
        return str(cell)
    return ""


def read_json_table(path: Path, split: str | None = None, *, join: bool = False) -> Table:
    """The rows of a JSON file, whatever its ending; see `read_json_rows`."""
    values = read_json_rows(path, split, join=join)
    if _is_header(values[0]):
        names = values[0]
        values = [
            dict(zip(names, row, strict=True))
            if isinstance(row, list) and len(row) == len(names)
            else None
            for row in values[1:]
        ]
    return _table_of(path, list(enumerate(values, start=1)), "entry")


def _read_jsonl(path: Path) -> Table:
    lines = enumerate(read_lines(path), start=1)
    values = [(number, _parse_line(path, number, line)) for number, line in lines if line.strip()]
    numbered = [(number, row) for number, value in values for row in flatten_questions([value])]
    return _table_of(path, numbered, "line")


def _parse_line(path: Path, number: int, line: str) -> Any:
    try:
        return parse_json(line)
    except ValueError as error:
        raise DataError(
            f"{printable_name(path)}: line {number} is not JSON ({printable_name(error)})"
        ) from error


def _table_of(path: Path, numbered: list[tuple[int, Any]], unit: str) -> Table:
    source = printable_name(path)
    rows = [row_of_json(value, number, f"{source}: {unit} {number}") for number, value in numbered]
    columns = tuple(dict.fromkeys(name for row in rows for name in row.values))
    return Table(source=source, columns=columns, rows=rows, unit=unit)


def _named_cells(cells: list[Any]) -> dict[str, Any] | None:
    match cells:
        case [str() as text, str() | int() | float() as label]:
            return {"text": text, "label": label}
        case [str() as first, str() as second, int() | float() as score]:
            return {"sentence1": first, "sentence2": second, "score": score}
    return None


def _is_header(row: object) -> bool:
    return (
        isinstance(row, list)
        and all(isinstance(cell, str) for cell in row)
        and len(set(row)) == len(row)
        and any(cell.lower() in TEXT_COLUMNS for cell in row)
        and all(len(cell.split()) == 1 for cell in row)
    )
