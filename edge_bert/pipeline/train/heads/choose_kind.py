"""Which kind of head data train: by their labels, the model's own head, and the user's word."""

from __future__ import annotations

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.build.scoring.score_labels import DESCRIPTIONS
from edge_bert.pipeline.train.heads import classes, label_sets, numbers, pairs, spans, tags
from edge_bert.pipeline.train.heads.head_kind import HeadKind
from edge_bert.records.checkpoint import Head, Task

KINDS: dict[str, HeadKind] = {
    "classes": classes.KIND,
    "labels": label_sets.KIND,
    "number": numbers.KIND,
    "tags": tags.KIND,
    "span": spans.KIND,
    "embedding": pairs.KIND,
}
# The heads that rows of a kind may train; the first is taken where the model has none of them.
HEADS_OF: dict[str, tuple[str, ...]] = {
    "labelled": ("classes", "labels", "number"),
    "label sets": ("labels",),
    "scored": ("number",),
    "pairs": ("embedding", "number"),
    "entities": ("tags",),
    "answers": ("span",),
}


def choose_kind(data: EvaluationSet, head: Head, asked: str | None = None) -> str:
    """The name of the kind of head, one of KINDS, that the data train on a model with `head`.

    Raises InputError for a kind that there is not, DataError for data that do not train it.
    """
    if asked is not None and asked not in KINDS:
        raise InputError(f"--head {asked[:40]!r}: give one of {', '.join(KINDS)}.")
    possible = HEADS_OF.get(data.kind, ())
    if not possible:
        raise DataError(
            f"{data.name} has {DESCRIPTIONS[data.kind]}, which train no head; give texts with "
            "classes, labels, scores, entities or answers, or pairs of texts with scores."
        )
    if asked is not None:
        if asked not in possible:
            raise DataError(
                f"{data.name} has {DESCRIPTIONS[data.kind]}, which train no head of {asked}; "
                f"give --head {' or '.join(possible)}, or other data."
            )
        return asked
    own = name_kind(head)
    return own if own in possible and _are_readable(data, own) else possible[0]


def name_kind(head: Head) -> str | None:
    """The kind of a model's head; None for one that nothing trains."""
    match head.task:
        case Task.EMBEDDING:
            return "embedding"
        case Task.TOKEN_CLASSIFICATION:
            return "tags"
        case Task.QUESTION_ANSWERING:
            return "span"
        case Task.CLASSIFICATION if len(head.labels) == 1:
            return "number"
        case Task.CLASSIFICATION:
            return "labels" if head.activation == "sigmoid" else "classes"
    return None


def _are_readable(data: EvaluationSet, kind: str) -> bool:
    """Names of classes are no numbers, and train a new classifier."""
    return kind != "number" or not any(isinstance(label, str) for label in data.labels)
