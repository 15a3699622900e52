"""Entities against labelled ones, on cases counted by hand."""

from __future__ import annotations

import pytest

from edge_bert.errors import DataError
from edge_bert.evaluate.entities import match_entity_types, score_entities
from edge_bert.records.spans import EntitySpan

ANNA, BERLIN = EntitySpan(0, 4, "person"), EntitySpan(14, 20, "place")


@pytest.mark.parametrize(
    ("predicted", "expected", "value"),
    [
        ([[ANNA, BERLIN]], [[BERLIN, ANNA]], 1.0),
        # One right of two found, one right of three labelled: 2 * 1 / (2 + 3).
        ([[ANNA, EntitySpan(5, 9, "place")], []], [[ANNA, BERLIN], [ANNA]], 0.4),
        ([[EntitySpan(0, 3, "person")]], [[ANNA]], 0.0),
        ([[EntitySpan(0, 4, "place")]], [[ANNA]], 0.0),
        ([[]], [[ANNA]], 0.0),
        ([[ANNA, ANNA]], [[ANNA]], 1.0),
        # The right span in the wrong text is wrong: precision and recall are both one half.
        ([[ANNA], [ANNA]], [[ANNA], [BERLIN]], 0.5),
    ],
)
def test_f1_counts_exact_spans_and_types(
    predicted: list[list[EntitySpan]], expected: list[list[EntitySpan]], value: float
) -> None:
    """Over all texts together; a span that overlaps, or has another type, is wrong twice."""
    score = score_entities("d", predicted, expected)
    assert (score.metric, score.value, score.count) == ("entity_f1", value, len(expected))


def test_data_without_entities_are_refused() -> None:
    """There is nothing to find, so that a score would say nothing."""
    with pytest.raises(DataError, match="d: has no entity at all"):
        score_entities("d", [[ANNA]], [[]])


def test_types_take_the_models_spelling() -> None:
    """Case and separators are not meaning; the exact name is taken before a similar one."""
    spans = [[EntitySpan(0, 1, "Work_Of_Art"), EntitySpan(2, 3, "per")], []]
    matched = match_entity_types("d", spans, ["WORK OF ART", "PER", "per"])
    assert [entity.label for entity in matched[0]] == ["WORK OF ART", "per"]
    assert matched[1] == ()


def test_a_type_that_the_model_lacks_is_named() -> None:
    """A score with it left out would be of other data."""
    with pytest.raises(DataError, match=r"type animal are not among the model's \(person, place\)"):
        match_entity_types("d", [[EntitySpan(0, 1, "animal")]], ["place", "person"])
