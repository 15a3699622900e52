"""What names labelled data or sentences: a form and a file, or a table and its columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_bert.data.columns import parse_named
from edge_bert.data.files import printable_name
from edge_bert.errors import InputError

TABLE_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
FILE_FORMS = ("stsb", "sst2", "conll", "squad")
HUB_FORM = "hf"
FORMS = (
    "stsb:FILE, sst2:FILE, conll:FILE, squad:FILE, FILE.csv|tsv|jsonl|json[:ROLE=COLUMN,...] or "
    "hf:NAME[:SPLIT]"
)
_TABLE = re.compile(
    rf"(?P<path>.+(?:{'|'.join(map(re.escape, TABLE_ENDINGS))}))(?::(?P<named>[^/\\]*=.+))?",
    re.I | re.S,
)


@dataclass(frozen=True)
class TableReference:
    """A table of a user, and the columns that the user named, by role."""

    path: Path
    named: Mapping[str, str] = field(default_factory=dict)


def split_form(spec: str) -> tuple[str, str] | None:
    """The form of `spec` and what it is of, such as `stsb` and a path; None for other references.

    A form without anything is none.
    """
    form, _, rest = spec.partition(":")
    return (form, rest) if rest and form in (*FILE_FORMS, HUB_FORM) else None


def parse_table_reference(spec: str) -> TableReference:
    """The table that `spec` names, with its columns.

    Raises InputError for what names no table, or for columns without a role that we know.
    """
    parts = split_table(spec)
    if parts is None:
        raise InputError(f"{printable_name(spec)!r} names no data; write {FORMS}")
    path, named = parts
    return TableReference(expand_path(path), parse_named(named) if named else {})


def split_table(spec: str) -> tuple[str, str] | None:
    """The path of a table and the columns that are named behind it; None for what is no table."""
    match = _TABLE.fullmatch(spec)
    return (match["path"], match["named"] or "") if match else None


def expand_path(text: str) -> Path:
    """A path whose `~` is the user's folder."""
    return Path(text).expanduser()
