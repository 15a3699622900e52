"""How well training's numbers are those of the runtime, operator by operator."""

from __future__ import annotations

from edge_bert.records.base import Record


class CodeAgreement(Record, frozen=True):
    """The outputs of one kind of operator: how many integers there were, and how they differ.

    `differing` is how many of them training has otherwise than the runtime, `largest` by how many
    steps at most.
    """

    operator: str
    values: int
    differing: int
    largest: int
