"""The roles of a table's columns: by their usual names, or as the user names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_bert.data.tables import Table
from edge_bert.errors import DataError, InputError

TEXT_NAMES = ("text", "sentence", "question", "query")
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
)
SCORE_NAMES = ("score", "similarity", "similarity_score")
LABEL_NAMES = ("label", "category", "intent", "class")
ROLES = ("text", "sentence", "sentence1", "sentence2", "score", "label")


@dataclass(frozen=True)
class ColumnRoles:
    """The columns of an evaluation set; `second` only where a row has two sentences."""

    first: str
    second: str | None
    target: str
    scored: bool


def text_columns(table: Table) -> list[str]:
    """Every column with one of the usual names for text, in the table's order.

    Raises DataError with the columns seen, when there is none.
    """
    usual_names = {*TEXT_NAMES, *(name for pair in PAIR_NAMES for name in pair)}
    text_names = [column for column in table.columns if column.lower() in usual_names]
    if not text_names:
        raise DataError(
            f"{table.source}: no text column; name one of its columns "
            f"{', '.join(TEXT_NAMES)} or sentence1 (seen: {table.columns_shown()})"
        )
    return text_names


def parse_named(text: str) -> dict[str, str]:
    """`text=body,label=topic` as role to column. Raises InputError for an unknown role."""
    named = {}
    for assignment in text.split(","):
        role, equals, column = assignment.partition("=")
        if not equals or not column or role not in ROLES or role in named:
            raise InputError(
                f"{assignment!r} names no column; write ROLE=COLUMN with one of {', '.join(ROLES)}"
            )
        named[role] = column
    return named


def find_roles(table: Table, named: Mapping[str, str]) -> ColumnRoles:
    """Two sentences and a score, or a sentence (or two) and a label.

    Columns that the user named come first, the usual names fill the rest.
    Raises DataError with the columns seen, when something is missing.
    """
    for column in named.values():
        if column not in table.columns:
            raise DataError(
                f"{table.source}: has no column {column!r} (seen: {table.columns_shown()})"
            )
    roles = _matched(table, named)
    unused = set(named.values()) - {roles.first, roles.second, roles.target}
    if unused:
        raise InputError(
            f"{table.source}: the columns {', '.join(sorted(unused))} do not fit the others; "
            "name text and label, or sentence1, sentence2 and score (or label)"
        )
    return roles


def _matched(table: Table, named: Mapping[str, str]) -> ColumnRoles:
    first, second = _sentences(table, named)
    score = None if second is None else _score(table, named)
    if score is not None:
        return ColumnRoles(first=first, second=second, target=score, scored=True)
    label = named.get("label") or _usual(table, LABEL_NAMES)
    if label is None:
        role = "label" if second is None else "score"
        raise DataError(
            f"{table.source}: no {role} column; name it, as in FILE.csv:{role}=COLUMN "
            f"(seen: {table.columns_shown()})"
        )
    return ColumnRoles(first=first, second=second, target=label, scored=False)


def _sentences(table: Table, named: Mapping[str, str]) -> tuple[str, str | None]:
    single = named.get("text") or named.get("sentence")
    if single:
        return single, None
    for first_name, second_name in PAIR_NAMES:
        first = named.get("sentence1") or _usual(table, (first_name,))
        second = named.get("sentence2") or _usual(table, (second_name,))
        if first and second:
            return first, second
    single = _usual(table, TEXT_NAMES)
    if single is None:
        raise DataError(
            f"{table.source}: no text column; name it, as in FILE.csv:text=COLUMN,label=COLUMN "
            f"(seen: {table.columns_shown()})"
        )
    return single, None


def _score(table: Table, named: Mapping[str, str]) -> str | None:
    if "label" in named:
        return None
    return named.get("score") or _usual(table, SCORE_NAMES)


def _usual(table: Table, names: tuple[str, ...]) -> str | None:
    by_lower = {column.lower(): column for column in table.columns}
    return next((by_lower[name] for name in names if name in by_lower), None)
