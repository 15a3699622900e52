"""A training run in words: where the model comes from, its losses, which classes suffered."""

from __future__ import annotations

import msgspec

from edge_bert.records.training import Ancestor, ClassScore, LossWeights, TrainingRun
from edge_bert.text import list_some

ROLES = {"start": "started from", "teacher": "was taught by"}
LOSS_WORDS = {
    "labels": "the error on the labels",
    "soft_targets": "the distance to the teacher's classes",
    "hidden": "the distance to the teacher's rows between the layers",
    "attention": "the divergence from the teacher's attention",
    "relations": "the divergence from the teacher's relations between tokens",
    "cosine": "the angle to the teacher's embedding",
    "similarity": "the error of the similarities within a batch",
}


def tell_ancestry(run: TrainingRun) -> list[str]:
    """A sentence for each model in the ancestry that comes from others, this one first."""
    sentences: list[str] = []
    waiting = [(run.name, run.ancestors)]
    while waiting:
        name, ancestors = waiting.pop(0)
        sentences += _tell_roles(name, ancestors)
        waiting += [(ancestor.name, ancestor.ancestors) for ancestor in ancestors]
    return list(dict.fromkeys(sentences))


def _tell_roles(name: str, ancestors: tuple[Ancestor, ...]) -> list[str]:
    sentences = []
    for role, verb in ROLES.items():
        models = [_name_origin(ancestor) for ancestor in ancestors if ancestor.role == role]
        if models:
            mean = ", by the mean of their outputs" if role == "teacher" and len(models) > 1 else ""
            sentences.append(f"{name} {verb} {list_some(models)}{mean}.")
    return sentences


def _name_origin(ancestor: Ancestor) -> str:
    """The name, and its origin where that says more."""
    plain = ancestor.origin == "folder" or ancestor.name in ancestor.origin
    return ancestor.name if plain else f"{ancestor.name} ({ancestor.origin})"


def list_losses(losses: LossWeights) -> list[tuple[str, float, str]]:
    """Name, weight and meaning of each loss that counts."""
    weights = msgspec.structs.asdict(losses)
    return [(name, weights[name], words) for name, words in LOSS_WORDS.items() if weights.get(name)]


def rank_classes(classes: tuple[ClassScore, ...]) -> list[ClassScore]:
    """The classes that have held-out texts, those that lost most first.

    Those of a model with nothing to compare with are in the order of their accuracy.
    """
    present = [score for score in classes if score.count]
    return sorted(
        present, key=lambda score: (class_change(score) or 0.0, score.right / score.count)
    )


def class_change(score: ClassScore) -> float | None:
    """The change of a class's accuracy, as a share; None where it is not known."""
    if score.reference is None or not score.count:
        return None
    return (score.right - score.reference) / score.count


def summarize_classes(classes: tuple[ClassScore, ...]) -> str:
    """How many classes lost and won, in one sentence."""
    changes = [change for score in classes if (change := class_change(score)) is not None]
    if not changes:
        return "There is no model with these classes to compare with; the lowest come first."
    lost, won = sum(change < 0 for change in changes), sum(change > 0 for change in changes)
    return (
        f"Of {len(changes)} classes with held-out texts, {lost} lost and {won} gained against the "
        "model that this one started from or was taught by; those that lost most come first."
    )
