"""Agreement of entities with labelled ones: F1 over exact spans and types."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from edge_bert.errors import DataError
from edge_bert.evaluate.spelling import fold_name
from edge_bert.records.bundle import LabelScore
from edge_bert.records.spans import EntitySpan

Entities = Sequence[EntitySpan]


def score_entities(
    dataset: str, predicted: Sequence[Entities], expected: Sequence[Entities]
) -> LabelScore:
    """F1 of the predicted entities of each text against the expected ones, over all texts together.

    An entity is right where start, end and type are; one that is given twice counts once. Source:
    Tjong Kim Sang and De Meulder 2003 (CoNLL-2003), as their `conlleval` and `seqeval` count.
    Raises DataError where no text has an entity.
    """
    right = predicted_count = labelled = 0
    for ours, theirs in zip(predicted, expected, strict=True):
        guesses, truths = set(ours), set(theirs)
        right += len(guesses & truths)
        predicted_count += len(guesses)
        labelled += len(truths)
    if not labelled:
        raise DataError(f"{dataset}: has no entity at all; give texts with labelled entities.")
    value = round(2 * right / (predicted_count + labelled), 6)
    return LabelScore(dataset=dataset, metric="entity_f1", value=value, count=len(expected))


def match_entity_types(
    dataset: str, expected: Sequence[Entities], types: Collection[str]
) -> tuple[tuple[EntitySpan, ...], ...]:
    """`expected` with the model's spelling of its types, where case or separators differ.

    Raises DataError for a type that the model does not have.
    """
    spellings = {fold_name(name): name for name in types} | {name: name for name in types}
    occurring = {entity.label for entities in expected for entity in entities}
    names = {label: spellings.get(label, spellings.get(fold_name(label))) for label in occurring}
    unknown = sorted(label for label, name in names.items() if name is None)
    if unknown:
        raise DataError(
            f"{dataset}: entities of the type {', '.join(unknown[:3])} are not among the model's "
            f"({', '.join(sorted(types)[:8])}); rename them, or leave them out."
        )
    return tuple(
        tuple(
            msgspec.structs.replace(entity, label=names[entity.label] or entity.label)
            for entity in entities
        )
        for entities in expected
    )
