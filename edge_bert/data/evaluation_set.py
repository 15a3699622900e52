"""The evaluation set: sentences with their labels or scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_bert.data.columns import ColumnRoles
from edge_bert.data.tables import Row, Table
from edge_bert.errors import DataError


@dataclass(frozen=True)
class EvaluationSet:
    """Sentences and their labels, row by row.

    `pairs` have two sentences and a score (float, any scale; higher is more alike). `labelled`
    rows have one sentence, or two (`second`), and a class: all int, or all str.
    """

    name: str
    kind: Literal["pairs", "labelled"]
    sentences: tuple[str, ...]
    second: tuple[str, ...]
    labels: tuple[float, ...] | tuple[int, ...] | tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sentences)


def from_table(name: str, table: Table, roles: ColumnRoles) -> EvaluationSet:
    """The rows of a table, its columns as `roles` says.

    Raises DataError for an empty cell, a score that is no number, hidden labels or no rows.
    """
    rows = list(table.rows)
    if not rows:
        raise DataError(f"{table.source}: has a header and no rows; give labelled rows")
    targets = [table.cell(row, roles.target) for row in rows]
    second = roles.second
    return EvaluationSet(
        name=name,
        kind="pairs" if roles.scored else "labelled",
        sentences=tuple(table.cell(row, roles.first) for row in rows),
        second=() if second is None else tuple(table.cell(row, second) for row in rows),
        labels=_scores(table, rows, targets) if roles.scored else _classes(targets, name),
    )


def _scores(table: Table, rows: list[Row], targets: list[str]) -> tuple[float, ...]:
    return tuple(
        parse_score(target, table.source, row.line)
        for row, target in zip(rows, targets, strict=True)
    )


def parse_score(text: str, source: str, line: int) -> float:
    """A finite number. Raises DataError with the line."""
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise DataError(f"{source}: line {line} has the score {text[:40]!r}; give a number")
    return score


def _classes(texts: list[str], name: str) -> tuple[int, ...] | tuple[str, ...]:
    try:
        classes = tuple(int(text) for text in texts)
    except ValueError:
        return tuple(texts)
    if set(classes) == {-1}:
        raise DataError(f"{name}: its labels are hidden (all are -1); give another split")
    return classes
