"""Whether the labels of data are those of a model's head: all, none, or some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

from edge_bert.errors import DataError
from edge_bert.evaluate.class_labels import Label, match_labels
from edge_bert.records.checkpoint import Head


def share_labels(
    dataset: str, labels: Iterable[Label], head: Head, label_names: Sequence[str] = ()
) -> bool:
    """Whether all labels are the head's; False where none is, DataError where some are."""
    distinct = sorted(set(labels), key=str)
    unknown = [label for label in distinct if not _has_label(label, head, label_names)]
    if len(unknown) == len(distinct):
        return False
    if unknown:
        refuse_unknown(dataset, map(str, unknown), head.labels)
    match_labels(dataset, distinct, head, label_names)
    return True


def refuse_unknown(dataset: str, unknown: Iterable[str], labels: Sequence[str]) -> NoReturn:
    """Raise DataError for labels that a model does not have, beside others that it has."""
    raise DataError(
        f"{dataset}: labels {', '.join(sorted(unknown)[:3])} are not among the model's "
        f"({', '.join(labels[:5])}{', …' if len(labels) > 5 else ''}), others are; leave them out, "
        "or give --head with the kind of head for a new one."
    )


def _has_label(label: Label, head: Head, label_names: Sequence[str]) -> bool:
    try:
        match_labels("", [label], head, label_names)
    except DataError:
        return False
    return True
