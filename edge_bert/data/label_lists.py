"""Several labels in one cell: an array of JSON, its text, or a list as Python prints it."""

from __future__ import annotations

import ast
from typing import Any

from edge_bert.data.json_rows import parse_json
from edge_bert.data.tables import Row, as_text
from edge_bert.errors import DataError

MAX_CHARACTERS = 10_000


def parse_label_list(row: Row, column: str, place: str) -> tuple[str, ...] | None:
    """The labels of a cell that holds a list; None for any other cell.

    Raises DataError for a list of other things than names, numbers and truth values.
    """
    cell: Any = row.lists.get(column)
    if cell is None:
        text = row.values.get(column, "").strip()
        if not (text.startswith("[") and text.endswith("]")):
            return None
        cell = _parse_list(text)
        if cell is None:
            return None
    if not isinstance(cell, list):
        raise DataError(f"{place} has an object in column {column!r}; give a list of labels")
    labels = tuple(as_text(label).strip() for label in cell)
    if not all(labels):
        raise DataError(
            f"{place} has something that is no label in the list of column {column!r}; give names "
            "or numbers of labels"
        )
    return labels


def _parse_list(text: str) -> list[Any] | None:
    """The list that `text` spells in JSON or in Python; None where it spells none."""
    if len(text) > MAX_CHARACTERS:
        return None
    for parse in (parse_json, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(value, list):
            return value
    return None
