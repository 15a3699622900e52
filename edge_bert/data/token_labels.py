"""Labelled data of token tasks: entities in texts, and answers in contexts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge_bert.data.entity_tags import OUTSIDE, is_tag, join_tokens
from edge_bert.data.evaluation_set import NOT_GIVEN, EvaluationSet
from edge_bert.data.files import printable_name, read_lines
from edge_bert.data.tables import Row, Table
from edge_bert.errors import DataError
from edge_bert.records.spans import EntitySpan

TAG_COLUMNS = ("ner_tags", "tags", "labels")
TYPE_KEYS = ("label", "type", "entity_group", "entity")
DOCUMENT_MARK = "-DOCSTART-"


def has_entities(table: Table) -> bool:
    """Whether a table's columns are those of texts with entities, or of tokens with tags."""
    return _are_columns(table, ("text", "entities")) or (
        "tokens" in table.columns and any(name in table.columns for name in TAG_COLUMNS)
    )


def has_questions(table: Table) -> bool:
    """Whether a table's columns are those of questions on contexts with their answers."""
    return _are_columns(table, ("question", "context", "answers"))


def read_conll(name: str, path: Path) -> EvaluationSet:
    """A token per line, its tag in the last column, an empty line between sentences.

    Columns are separated by tabs or spaces. Lines of `-DOCSTART-`, and comments that begin with
    `# ` and end in no tag, are left out. A text is its tokens with a space between them. Source of
    the layout: the shared task of CoNLL-2003. Raises DataError with the line of any other.
    """
    sentences: list[tuple[list[str], list[str]]] = [([], [])]
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split("\t") if "\t" in line else line.split()
        fields = [field.strip() for field in fields]
        if not any(fields) or fields[0] == DOCUMENT_MARK:
            sentences.append(([], []))
        elif len(fields) > 1 and is_tag(fields[-1]) and fields[0]:
            sentences[-1][0].append(fields[0])
            sentences[-1][1].append(fields[-1])
        elif not line.startswith("# "):
            raise DataError(
                f"{printable_name(path)}: line {number} has no token and tag; write a token, "
                "a space or tab, and a tag such as O or B-PER"
            )
    texts = [join_tokens(tokens, tags) for tokens, tags in sentences if tokens]
    return _entity_set(name, texts)


def from_entity_rows(name: str, table: Table) -> EvaluationSet:
    """Rows with `text` and `entities`, or with `tokens` and their tags.

    Entities are objects with `start`, `end` (in characters) and `label`, or arrays of these three.
    Raises DataError with the row of anything else.
    """
    if _are_columns(table, ("text", "entities")):
        return _entity_set(name, [_text_entities(table, row) for row in table.rows])
    column = next(name for name in TAG_COLUMNS if name in table.columns)
    return _entity_set(name, [_tagged_tokens(table, row, column) for row in table.rows])


def from_question_rows(name: str, table: Table) -> EvaluationSet:
    """Rows with `question`, `context` and `answers`, as SQuAD has them; no answer is one as well.

    Raises DataError with the row of anything else.
    """
    rows = list(table.rows)
    return EvaluationSet(
        name=name,
        kind="answers",
        sentences=tuple(table.cell(row, "question") for row in rows),
        second=tuple(_raw_text(table, row, "context") for row in rows),
        answers=tuple(_answers(table, row) for row in rows),
        answer_starts=tuple(_answer_starts(table, row) for row in rows),
    )


def _are_columns(table: Table, names: Sequence[str]) -> bool:
    return all(name in table.columns for name in names)


def _raw_text(table: Table, row: Row, column: str) -> str:
    """A cell with the spaces around it, so that offsets hold."""
    table.cell(row, column)
    return row.values[column]


def _entity_set(name: str, texts: Sequence[tuple[str, tuple[EntitySpan, ...]]]) -> EvaluationSet:
    if not texts:
        raise DataError(f"{name}: has no sentences; give some with their entities")
    return EvaluationSet(
        name=name,
        kind="entities",
        sentences=tuple(text for text, _ in texts),
        second=(),
        entities=tuple(entities for _, entities in texts),
    )


def _text_entities(table: Table, row: Row) -> tuple[str, tuple[EntitySpan, ...]]:
    text, values = _raw_text(table, row, "text"), row.lists.get("entities")
    if not isinstance(values, list):
        raise DataError(f"{table.place(row)} has no list of entities; give [] where there are none")
    spans = [_entity(value, len(text), table.place(row)) for value in values]
    spans.sort(key=lambda span: (span.start, span.end))
    for before, after in pairwise(spans):
        if after.start < before.end:
            raise DataError(
                f"{table.place(row)} has entities that overlap, at {after.start}; "
                "give each character to one entity at most"
            )
    return text, tuple(spans)


def _entity(value: Any, length: int, place: str) -> EntitySpan:
    if isinstance(value, dict):
        label = next((value[key] for key in TYPE_KEYS if key in value), None)
        value = [value.get("start"), value.get("end"), label]
    match value:
        case [int() as start, int() as end, str() as label] if (
            0 <= start < end <= length and label.strip() and bool not in (type(start), type(end))
        ):
            return EntitySpan(start, end, label.strip())
    raise DataError(
        f"{place} has an entity that is none; give start and end within the text, in characters, "
        "and a label"
    )


def _tagged_tokens(table: Table, row: Row, column: str) -> tuple[str, tuple[EntitySpan, ...]]:
    tokens, tags = row.lists.get("tokens"), row.lists.get(column)
    if not isinstance(tokens, list) or not isinstance(tags, list) or len(tokens) != len(tags):
        raise DataError(f"{table.place(row)} has not a tag for each token; give equally long lists")
    if any(isinstance(tag, int | float) for tag in tags):
        raise DataError(
            f"{table.place(row)} has numbers as tags, whose meaning the file does not say; "
            f"write their names, such as {OUTSIDE} and B-PER"
        )
    for token, tag in zip(tokens, tags, strict=True):
        if not isinstance(token, str) or not isinstance(tag, str) or not is_tag(tag):
            raise DataError(
                f"{table.place(row)} has {printable_name(tag)!r} as a tag; give {OUTSIDE}, or a "
                "prefix such as B- and a type"
            )
    if not tokens:
        raise DataError(f"{table.place(row)} has no tokens; leave the row out")
    return join_tokens(tokens, tags)


def _answers(table: Table, row: Row) -> tuple[str, ...]:
    """The texts of SQuAD's list of answers, of the hub's object of lists, or of a list of texts."""
    items = _answer_items(row)
    answers = tuple(text for text, _ in items if isinstance(text, str))
    if len(answers) < len(items):
        raise DataError(
            f"{table.place(row)} has no list of answers with a text; give [] where the context "
            "holds no answer"
        )
    return answers


def _answer_starts(table: Table, row: Row) -> tuple[int, ...]:
    """The first character of each answer, NOT_GIVEN where the row does not say it."""
    starts = [NOT_GIVEN if start is None else start for _, start in _answer_items(row)]
    if not all(type(start) is int and start >= NOT_GIVEN for start in starts):
        raise DataError(f"{table.place(row)} has an answer_start that is no place in the context")
    return tuple(starts)


def _answer_items(row: Row) -> list[tuple[Any, Any]]:
    """What stands for the text and for the start of each answer of a row."""
    if row.values.get("is_impossible", "").lower() in ("true", "1"):
        return []
    value: Any = row.lists.get("answers", row.values.get("answers") or None)
    starts: Any = None
    if isinstance(value, dict):
        value, starts = value.get("text"), value.get("answer_start")
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return [(None, None)]
    if not isinstance(starts, list) or len(starts) != len(value):
        starts = [None] * len(value)
    return [
        (item.get("text"), item.get("answer_start")) if isinstance(item, dict) else (item, start)
        for item, start in zip(value, starts, strict=True)
    ]
