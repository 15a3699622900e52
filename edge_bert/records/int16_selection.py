"""Which groups of activations a mixed recipe gives 16 bits, and the figures behind the choice."""

from __future__ import annotations

from edge_bert.records.base import Record


class Int16Group(Record, frozen=True):
    """One group that may have 16 bits.

    `alone` is the output error (1 - mean cosine to float) that its 8 bits add when every other
    group has 16; `output_error` is what they add beside the groups that had 8 bits when the search
    decided. `bytes` and `instructions` are what its 16 bits cost then, of one inference at the
    longest length of the sentences.
    """

    group: str
    chosen: bool
    alone: float
    output_error: float
    bytes: int
    instructions: int


class Int16Choice(Record, frozen=True):
    """Groups that have 16 bits together: mean and worst output error, and the cost.

    `bytes` and `instructions` are more than those of the same graph in 8 bits.
    """

    groups: tuple[str, ...]
    output_error: float
    worst_output_error: float
    bytes: int
    instructions: int


class Int16Selection(Record, frozen=True):
    """The search's choice for a mixed recipe, simulated on `sentences` of the calibration set.

    `limit` is the highest output error allowed. `groups` are in order: first those that keep 16
    bits, the highest error per cost leading; then those that lost them, the last one first.
    `no_groups`, `all_groups` and `fixed_groups` (the list for models without a search) compare.
    """

    sentences: int
    tokens: int
    limit: float
    groups: tuple[Int16Group, ...]
    chosen: Int16Choice
    no_groups: Int16Choice
    all_groups: Int16Choice
    fixed_groups: Int16Choice
