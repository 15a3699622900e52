"""Evaluation sets from the Hugging Face hub, through the `datasets` package."""

from __future__ import annotations

import importlib
import re
from typing import Any

from edge_bert.data.columns import find_roles, parse_named
from edge_bert.data.evaluation_set import EvaluationSet, from_table
from edge_bert.data.files import printable_name
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
    table = _table(fields[0], split, config)
    return from_table(f"hf:{fields[0]}:{split}", table, find_roles(table, named))


def _table(name: str, split: str, config: str | None) -> Table:
    datasets = _package()
    try:
        # Version 4 of the package has no way left to run code from a dataset.
        rows = datasets.load_dataset(name, config, split=split)
    except Exception as error:
        raise DataError(
            f"hf:{name}: cannot be had ({type(error).__name__}: {_one_line(error)}); check the "
            "name and the connection, or give a file"
        ) from error
    return Table(
        source=f"hf:{name}",
        columns=tuple(rows.column_names),
        rows=(
            Row(line=number, values={key: as_text(cell) for key, cell in row.items()})
            for number, row in enumerate(rows, start=1)
        ),
    )


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
