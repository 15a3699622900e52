"""Rows of a JSON file: an array, or an object that holds one, in the layouts that people have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from edge_bert.data.column_names import LABEL_NAMES, SCORE_NAMES, TEXT_COLUMNS
from edge_bert.data.files import printable_name, read_data_text
from edge_bert.errors import DataError, InputError

Scalar = str | int | float | bool | None


def parse_json(text: str) -> Any:
    """The value that a JSON text holds.

    Raises ValueError with one line for text that is not JSON, is nested too deeply to be read,
    names a key of an object twice, or has NaN, which JSON does not.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json_rows(path: Path, split: str | None = None, *, join: bool = False) -> list[Any]:
    """The rows of a JSON file, each an object, a string or an array.

    An object may hold them in one array under any name, as SQuAD's paragraphs, as columns, or in
    several arrays, one for each split: `split` names one of these, `join` takes all of them
    where their rows are alike. Raises DataError for other contents, InputError for no such split.
    """
    try:
        value = parse_json(read_data_text(path))
    except ValueError as error:
        raise DataError(f"{printable_name(path)}: is not JSON ({printable_name(error)})") from error
    if isinstance(value, list):
        if split is not None:
            raise InputError(f"{printable_name(path)}: is one array without splits; leave it out")
        rows: Sequence[Any] = value
    elif isinstance(value, dict):
        rows = _object_rows(path, value, split, join)
    else:
        raise DataError(f"{printable_name(path)}: holds no array of rows; give one of texts")
    if not rows:
        raise DataError(f"{printable_name(path)}: holds an empty array; give one with rows")
    return list(flatten_questions(rows))


def flatten_questions(rows: Sequence[Any]) -> Iterator[Any]:
    """SQuAD's articles and paragraphs as a row for each question, with its context.

    A paragraph without questions is a row of its own; other rows stay as they are.
    """
    for row in rows:
        is_article = isinstance(row, dict) and isinstance(row.get("paragraphs"), list)
        for paragraph in row["paragraphs"] if is_article else [row]:
            if isinstance(paragraph, dict) and isinstance(paragraph.get("qas"), list):
                context = {"context": paragraph.get("context")}
                questions = [item if isinstance(item, dict) else {} for item in paragraph["qas"]]
                yield from ({**context, **question} for question in questions or [{}])
            else:
                yield paragraph


def _object_rows(
    path: Path, value: Mapping[str, Any], split: str | None, join: bool
) -> Sequence[Any]:
    arrays = {key: rows for key, rows in value.items() if isinstance(rows, list)}
    if split is not None:
        if split not in arrays:
            raise InputError(
                f"{printable_name(path)}: has no array {split!r} (seen: {_shown(arrays)})"
            )
        return list(arrays[split])
    columns = _columns(path, value)
    if columns is not None:
        return columns
    if len(arrays) == 1:
        return list(*arrays.values())
    if not arrays:
        raise DataError(
            f"{printable_name(path)}: holds no array of rows (seen: {_shown(value)}); give an "
            "array of texts, or of objects with a text"
        )
    filled = {key: rows for key, rows in arrays.items() if rows}
    if not join or len({_kind(rows) for rows in filled.values()}) > 1 or _holds_strings(filled):
        _refuse_splits(path, arrays)
    return [row for rows in filled.values() for row in rows]


def _columns(path: Path, value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of an object that has a column under each key; None for other objects.

    pandas writes a column as an object by row (`to_json`), or the names of the columns and the
    rows apart (`orient="split"`).
    """
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        names = [str(name) for name in value["columns"]]
        rows = value["data"]
        if all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return [dict(zip(names, row, strict=True)) for row in rows]
    columns = {
        key: list(cells.values()) if isinstance(cells, dict) else cells
        for key, cells in value.items()
        if isinstance(cells, dict | list)
    }
    usual = {*TEXT_COLUMNS, *LABEL_NAMES, *SCORE_NAMES}
    named = [key for key in columns if key.lower() in usual]
    texts = [key for key in named if key.lower() in TEXT_COLUMNS]
    if not texts or len(columns) < len(value) or not _are_cells(columns[texts[0]]):
        return None
    if len({len(cells) for cells in columns.values()}) > 1:
        raise DataError(
            f"{printable_name(path)}: its columns {_shown(columns)} have different lengths"
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _are_cells(cells: Sequence[Any]) -> bool:
    return all(isinstance(cell, Scalar) for cell in cells)


def _kind(rows: Sequence[Any]) -> object:
    """What tells rows of one kind from those of another."""
    return tuple(sorted(rows[0])) if isinstance(rows[0], dict) else type(rows[0])


def _holds_strings(arrays: Mapping[str, Sequence[Any]]) -> bool:
    """Strings may be sentences or names of labels; which, their array does not tell."""
    return any(not isinstance(rows[0], dict | list) for rows in arrays.values())


def _refuse_splits(path: Path, arrays: Mapping[str, Sequence[Any]]) -> NoReturn:
    name = next(iter(arrays))
    raise DataError(
        f"{printable_name(path)}: holds the arrays {_shown(arrays)}; name one, as in "
        f"FILE.json:split={printable_name(name)}"
    )


def _shown(keys: Mapping[str, Any]) -> str:
    return printable_name(", ".join(repr(printable_name(key)) for key in keys)) or "none"


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {printable_name(twice)!r} is in one object twice")
    return keys


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which JSON does not have")
