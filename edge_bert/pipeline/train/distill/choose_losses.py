"""The losses of a student, by its teacher's head and the user's options."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.train.options import StudentOptions
from edge_bert.records.checkpoint import Task
from edge_bert.records.training import LossWeights

# Where the figures come from: docs/training.md.
DEFAULTS = {
    Task.EMBEDDING: LossWeights(cosine=1.0, similarity=20.0),
    Task.CLASSIFICATION: LossWeights(
        labels=0.1, soft_targets=0.9, temperature=4.0, hidden=1.0, relations=1.0
    ),
}
FIELDS = {"label_weight": "labels"}  # options whose name is not that of their loss
EVERYWHERE = ("hidden", "attention", "relations")
OWN = {
    Task.EMBEDDING: ("cosine", "similarity"),
    Task.CLASSIFICATION: ("soft_targets", "label_weight", "temperature"),
}
NOUNS = {Task.EMBEDDING: "an embedding model", Task.CLASSIFICATION: "a classifier"}


# A student of the same layers can have the rows of each; weights of two bits learn by them faster.
SAME_LAYERS = DEFAULTS | {
    Task.EMBEDDING: msgspec.structs.replace(DEFAULTS[Task.EMBEDDING], hidden=10.0)
}


def drop_row_losses(losses: LossWeights) -> LossWeights:
    """The losses on outputs alone, for students whose rows are not those of their teacher."""
    return msgspec.structs.replace(losses, **dict.fromkeys(EVERYWHERE, 0.0))


def choose_losses(
    options: StudentOptions,
    teacher: EncoderWeights,
    *,
    labels: bool,
    defaults: Mapping[Task, LossWeights] = DEFAULTS,
) -> LossWeights:
    """The weights of the losses; `labels` says whether any text has one.

    Raises InputError for an option of the other kind of teacher, a weight that is none, a label
    weight without labels, losses on rows of a model that cuts its tokens, and where nothing is left
    to learn.
    """
    task = teacher.head.task
    _check_kind(options, task)
    given = read_loss_weights(options, (*EVERYWHERE, *OWN[task]))
    if teacher.config.cuts:
        _check_rows(given)
        defaults = {kind: drop_row_losses(losses) for kind, losses in defaults.items()}
    if given.get("labels") and not labels:
        raise InputError("--label-weight: no text has a label; give labelled --data.")
    fields = {name: getattr(defaults[task], name) for name in LossWeights.__struct_fields__} | given
    fields["labels"] = fields["labels"] if labels else 0.0
    fields["dimensions"] = _check_dimensions(options, teacher)
    weights = LossWeights(**fields)
    parts = [*EVERYWHERE, "cosine", "similarity", "soft_targets", "labels"]
    if not any(getattr(weights, part) for part in parts):
        raise InputError("All losses have the weight 0; leave one of them.")
    return weights


def _check_kind(options: StudentOptions, task: Task) -> None:
    for other, names in OWN.items():
        wrong = [name for name in names if getattr(options, name) is not None]
        if other is not task and wrong:
            raise InputError(
                f"--{wrong[0].replace('_', '-')} is for {NOUNS[other]}, and the teacher is "
                f"{NOUNS[task]}; leave it out."
            )


def _check_rows(given: Mapping[str, float]) -> None:
    wrong = [name for name in EVERYWHERE if given.get(name)]
    if wrong:
        raise InputError(
            f"--{wrong[0]} compares the rows of all tokens, and the model goes on with fewer; "
            "leave it out."
        )


def read_loss_weights(options: StudentOptions, names: tuple[str, ...]) -> dict[str, float]:
    """The weights that the user gave, by the names of LossWeights; InputError for a wrong one."""
    given = {}
    for name in names:
        value = getattr(options, name)
        least = 1e-3 if name == "temperature" else 0.0
        if value is None:
            continue
        if not least <= value < math.inf:
            raise InputError(
                f"--{name.replace('_', '-')} {value}: give a number from {least:g} upwards."
            )
        given[FIELDS.get(name, name)] = float(value)
    return given


def _check_dimensions(options: StudentOptions, teacher: EncoderWeights) -> tuple[int, ...]:
    """The numbers of channels, most first."""
    dimensions, width = options.dimensions, teacher.output_width
    if dimensions and teacher.head.task is not Task.EMBEDDING:
        raise InputError("--dimensions is for an embedding model; leave it out.")
    if dimensions and options.similarity == 0:
        raise InputError("--dimensions is taught by --similarity, which is 0; leave one out.")
    wrong = [count for count in dimensions if not 0 < count < width]
    if wrong:
        raise InputError(f"--dimensions {wrong[0]}: give numbers from 1 to {width - 1}.")
    return tuple(sorted(set(dimensions), reverse=True))
