"""A table as an evaluation set, by what its columns say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_bert.data.columns import find_roles
from edge_bert.data.evaluation_set import EvaluationSet, from_table
from edge_bert.data.tables import Table
from edge_bert.data.token_labels import (
    from_entity_rows,
    from_question_rows,
    has_entities,
    has_questions,
)


def read_evaluation_set(
    name: str,
    table: Table,
    named: Mapping[str, str],
    class_names: Mapping[str, Sequence[str]] | None = None,
) -> EvaluationSet:
    """Entities, answers to questions, or labels of sentences.

    Columns that the user named are those of labels or scores. `class_names` are the names of the
    class numbers, by column. Raises DataError for rows that are not what the columns say.
    """
    if set(named) <= {"split"}:
        if has_entities(table):
            return from_entity_rows(name, table)
        if has_questions(table):
            return from_question_rows(name, table)
    roles = find_roles(table, named)
    return from_table(name, table, roles, (class_names or {}).get(roles.target, ()))
