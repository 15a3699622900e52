"""Evaluation sets from the Hugging Face hub, through the `datasets` package."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from edge_bert.data.columns import parse_named
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.files import printable_name
from edge_bert.data.table_kinds import read_evaluation_set
from edge_bert.data.tables import Row, Table, as_text
from edge_bert.errors import DataError, InputError, MissingToolError

MIN_MAJOR = 4
INSTALL = f'pip install "datasets>={MIN_MAJOR}"'
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def load_hub_dataset(reference: str) -> EvaluationSet:
    """`NAME[:SPLIT[:CONFIG]][:ROLE=COLUMN,...]`, the split `validation` when none is given.

    Raises InputError for a malformed reference, `MissingToolError` without the `datasets`
    package, DataError when the dataset cannot be had or has no such columns.
    """
    fields = reference.split(":")
    named = parse_named(fields.pop()) if "=" in fields[-1] else {}
    if not 1 <= len(fields) <= 3 or not _NAME.fullmatch(fields[0]) or not all(fields):
        raise InputError(f"hf:{printable_name(reference)} is no dataset; write hf:OWNER/NAME:SPLIT")
    split = fields[1] if len(fields) > 1 else "validation"
    config = fields[2] if len(fields) > 2 else None
    if "split" in named:
        raise InputError("hf: has its split after the name; write hf:OWNER/NAME:SPLIT")
    rows = _load_rows(fields[0], split, config)
    names = _class_names(rows)
    table = _table(f"hf:{fields[0]}", rows, names)
    return read_evaluation_set(f"hf:{fields[0]}:{split}", table, named, names)


def _load_rows(name: str, split: str, config: str | None) -> Any:
    datasets = _package()
    try:
        # Version 4 of the package has no way left to run code from a dataset.
        return datasets.load_dataset(name, config, split=split)
    except Exception as error:
        raise DataError(
            f"hf:{name}: cannot be had ({type(error).__name__}: {_one_line(error)}); check the "
            "name and the connection, or give a file"
        ) from error


def _class_names(rows: Any) -> dict[str, tuple[str, ...]]:
    """The names of class numbers, for columns of them and columns of lists of them."""
    names = {}
    for column, feature in dict(rows.features).items():
        labels = getattr(feature, "names", None) or getattr(
            getattr(feature, "feature", None), "names", None
        )
        if labels:
            names[column] = tuple(map(str, labels))
    return names


def _table(source: str, rows: Any, names: Mapping[str, Sequence[str]]) -> Table:
    def row_of(number: int, cells: Mapping[str, Any]) -> Row:
        lists = {
            column: _with_names(cell, names.get(column, ()))
            for column, cell in cells.items()
            if isinstance(cell, list | dict)
        }
        texts = {column: as_text(cell) for column, cell in cells.items()}
        return Row(line=number, values=texts, lists=lists)

    return Table(
        source=source,
        columns=tuple(rows.column_names),
        rows=(row_of(number, cells) for number, cells in enumerate(rows, start=1)),
        unit="row",
    )


def _with_names(cell: Any, names: Sequence[str]) -> Any:
    """A list of class numbers as a list of their names."""
    if not names or not isinstance(cell, list):
        return cell
    return [
        names[item] if isinstance(item, int) and 0 <= item < len(names) else item for item in cell
    ]


def _package() -> Any:
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingToolError(f"hf: needs the datasets package; run: {INSTALL}") from error
    major = datasets.__version__.partition(".")[0]
    if not major.isdigit() or int(major) < MIN_MAJOR:
        # Older versions may run a script that comes with a dataset.
        raise MissingToolError(f"hf: needs datasets {MIN_MAJOR} or newer; run: {INSTALL}")
    return datasets


def _one_line(error: Exception) -> str:
    return printable_name(" ".join(str(error).split()))
