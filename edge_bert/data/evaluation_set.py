"""The evaluation set: sentences with their labels or scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge_bert.data.columns import ColumnRoles
from edge_bert.data.label_lists import parse_label_list
from edge_bert.data.tables import Row, Table
from edge_bert.errors import DataError
from edge_bert.records.spans import EntitySpan
from edge_bert.text import parse_whole_number

Kind = Literal["pairs", "scored", "labelled", "label sets", "ranking", "entities", "answers"]
Labels = tuple[float, ...] | tuple[int, ...] | tuple[str, ...]

NOT_GIVEN = -1
BY_ROW = ("sentences", "second", "labels", "label_sets", "entities", "answers", "answer_starts")
_TRUTH = {"true": 1, "false": 0}


@dataclass(frozen=True)
class EvaluationSet:
    """Sentences and their labels, row by row.

    | kind | sentences | labels |
    |---|---|---|
    | pairs | two (`second`) | a score (float, any scale; higher is more alike) |
    | scored | one | a score (float) |
    | labelled | one or two | a class: all int, or all str |
    | label sets | one or two | any number of names or numbers of labels, in `label_sets` |
    | ranking | a query and a passage | how relevant it is (float; 0 is not relevant) |
    | entities | one | the entities in it, in `entities` |
    | answers | a question and its context | all right answers, none where there is no answer |

    `answer_starts` has for each answer its first character in the context, NOT_GIVEN where the data
    do not say. `label_names` are the names that the data's own numbers of classes have, where it
    says so.
    """

    name: str
    kind: Kind
    sentences: tuple[str, ...]
    second: tuple[str, ...]
    labels: Labels = ()
    label_sets: tuple[tuple[str, ...], ...] = ()
    entities: tuple[tuple[EntitySpan, ...], ...] = ()
    answers: tuple[tuple[str, ...], ...] = ()
    label_names: tuple[str, ...] = ()
    answer_starts: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.sentences)

    def select(self, rows: Iterable[int]) -> EvaluationSet:
        """Some of the rows, in the order of `rows`."""
        places = list(rows)
        chosen: dict[str, Any] = {
            name: tuple(values[row] for row in places)
            for name in BY_ROW
            if (values := getattr(self, name))
        }
        return dataclasses.replace(self, **chosen)


def from_table(
    name: str, table: Table, roles: ColumnRoles, label_names: Sequence[str] = ()
) -> EvaluationSet:
    """The rows of a table, its columns as `roles` says.

    Labels of which some have a fraction are scores. Raises DataError for an empty cell, a score
    that is no number, hidden labels or no rows.
    """
    rows = list(table.rows)
    if not rows:
        raise DataError(f"{table.source}: has a header and no rows; give labelled rows")
    second = roles.second
    sentences = tuple(table.cell(row, roles.first) for row in rows)
    seconds = () if second is None else tuple(table.cell(row, second) for row in rows)
    if roles.meaning == "label":
        label_sets = _label_sets(table, rows, roles.target)
        if label_sets is not None:
            return EvaluationSet(
                name, "label sets", sentences, seconds, (), label_sets, label_names=(*label_names,)
            )
    targets = [table.cell(row, roles.target) for row in rows]
    if roles.meaning == "label" and not _are_scores(targets):
        classes = _classes(targets, name)
        return EvaluationSet(
            name, "labelled", sentences, seconds, classes, label_names=(*label_names,)
        )
    kind: Kind = "ranking" if roles.meaning == "relevance" else "pairs" if seconds else "scored"
    scores = tuple(
        parse_score(target, table.place(row)) for row, target in zip(rows, targets, strict=True)
    )
    return EvaluationSet(name, kind, sentences, seconds, scores)


def parse_score(text: str, place: str) -> float:
    """A finite number, 1 or 0 for true or false. Raises DataError with the place."""
    try:
        score = float(_TRUTH.get(text.lower(), text))
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise DataError(f"{place} has the score {text[:40]!r}; give a number")
    return score


def _are_scores(texts: Sequence[str]) -> bool:
    """Whether all are numbers, and some of them have a fraction, which no class has."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return False
    return all(map(math.isfinite, numbers)) and any(number % 1 for number in numbers)


def _classes(texts: list[str], name: str) -> tuple[int, ...] | tuple[str, ...]:
    """Numbers where all labels are numbers; true and false alone may be names of classes."""
    numbers = [parse_whole_number(text) for text in texts]
    if any(number is not None for number in numbers):
        truths = [_TRUTH.get(text.lower()) for text in texts]
        numbers = [
            truth if number is None else number
            for number, truth in zip(numbers, truths, strict=True)
        ]
    classes = tuple(number for number in numbers if number is not None)
    if len(classes) < len(texts):
        return tuple(texts)
    if set(classes) == {-1}:
        raise DataError(f"{name}: its labels are hidden (all are -1); give another split")
    return classes


def _label_sets(table: Table, rows: list[Row], column: str) -> tuple[tuple[str, ...], ...] | None:
    """The lists of labels of all rows, where some row has one; else None."""
    lists = [parse_label_list(row, column, table.place(row)) for row in rows]
    if all(labels is None for labels in lists):
        return None
    return tuple(
        (table.cell(row, column),) if labels is None else labels
        for row, labels in zip(rows, lists, strict=True)
    )
