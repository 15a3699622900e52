"""The roles of a table's columns: by their usual names, or as the user names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_bert.data.column_names import (
    LABEL_NAMES,
    PAIR_NAMES,
    PASSAGE_NAMES,
    RELEVANCE_NAMES,
    SCORE_NAMES,
    TEXT_COLUMNS,
    TEXT_NAMES,
)
from edge_bert.data.tables import Table
from edge_bert.errors import DataError, InputError

ROLES = (
    "text",
    "sentence",
    "sentence1",
    "sentence2",
    "query",
    "passage",
    "score",
    "label",
    "split",
)
TEXT_ROLES = ROLES[: ROLES.index("score")]
Meaning = Literal["label", "score", "relevance"]


@dataclass(frozen=True)
class ColumnRoles:
    """The columns of an evaluation set; `second` only where a row has two sentences.

    The target is a class's label, a score, or how relevant the second text is to the first.
    """

    first: str
    second: str | None
    target: str
    meaning: Meaning


def text_columns(table: Table, named: Mapping[str, str]) -> list[str]:
    """The columns that the user named as texts, else every one with a usual name for text.

    In the table's order. Raises DataError with the columns seen, when there is none.
    """
    _check_named(table, named)
    chosen = {column for role, column in named.items() if role in TEXT_ROLES}
    chosen = chosen or {column for column in table.columns if column.lower() in TEXT_COLUMNS}
    if not chosen:
        raise DataError(
            f"{table.source}: no text column; name one of its columns "
            f"{', '.join(TEXT_NAMES)} or sentence1, or say which it is, as in "
            f"FILE.csv:text=COLUMN (seen: {table.columns_shown()})"
        )
    return [column for column in table.columns if column in chosen]


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
    """A sentence (or two) and a label or a score, or a query, a passage and its relevance.

    Columns that the user named come first, the usual names fill the rest.
    Raises DataError with the columns seen, when something is missing.
    """
    _check_named(table, named)
    roles = _matched(table, named)
    columns = {column for role, column in named.items() if role != "split"}
    unused = columns - {roles.first, roles.second, roles.target}
    if unused:
        raise InputError(
            f"{table.source}: the columns {', '.join(sorted(unused))} do not fit the others; name "
            "text and label (or score), sentence1, sentence2 and score (or label), or query, "
            "passage and label"
        )
    return roles


def _check_named(table: Table, named: Mapping[str, str]) -> None:
    for role, column in named.items():
        if role != "split" and column not in table.columns:
            raise DataError(
                f"{table.source}: has no column {column!r} (seen: {table.columns_shown()})"
            )


def _matched(table: Table, named: Mapping[str, str]) -> ColumnRoles:
    ranked = _ranked_texts(table, named)
    first, second = ranked or _sentences(table, named)
    if ranked:
        return ColumnRoles(first, second, _target(table, named, "relevance"), "relevance")
    score = named.get("score") or _usual(table, SCORE_NAMES)
    label = named.get("label") or _usual(table, LABEL_NAMES)
    # Pairs are mostly scored, single sentences mostly labelled, where a table has both.
    prefers_score = "score" in named or (second is not None and "label" not in named)
    if score is not None and (prefers_score or label is None):
        return ColumnRoles(first, second, score, "score")
    return ColumnRoles(first, second, _target(table, named, "label", second), "label")


def _target(
    table: Table, named: Mapping[str, str], meaning: Meaning, second: str | None = None
) -> str:
    names = RELEVANCE_NAMES if meaning == "relevance" else LABEL_NAMES
    column = named.get("label") or named.get("score") or _usual(table, names)
    if column is None:
        role = "label" if second is None else "score"
        raise DataError(
            f"{table.source}: no {role} column; name it, as in FILE.csv:{role}=COLUMN "
            f"(seen: {table.columns_shown()})"
        )
    return column


def _ranked_texts(table: Table, named: Mapping[str, str]) -> tuple[str, str] | None:
    """The columns of queries and passages; None where other texts are named, or there are none."""
    if any(role in named for role in TEXT_ROLES if role not in ("query", "passage")):
        return None
    query = named.get("query") or _usual(table, ("query",))
    passage = named.get("passage") or _usual(table, PASSAGE_NAMES)
    if query and passage:
        return query, passage
    missing = {"query": query, "passage": passage}
    role = next((role for role, column in missing.items() if column is None), "")
    if "passage" in named or ("query" in named and role):
        raise DataError(
            f"{table.source}: no {role} column; name it, as in "
            f"FILE.csv:query=COLUMN,passage=COLUMN (seen: {table.columns_shown()})"
        )
    return None


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


def _usual(table: Table, names: tuple[str, ...]) -> str | None:
    by_lower = {column.lower(): column for column in table.columns}
    return next((by_lower[name] for name in names if name in by_lower), None)
