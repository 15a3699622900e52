"""Which groups of activations a mixed recipe gives 16 bits, and what that choice rests on."""

from __future__ import annotations

from edge_bert.records.base import Record


class WideGroup(Record, frozen=True):
    """One group that may have 16 bits.

    `alone` is the harm (1 - mean cosine to the float output) that is added when of all groups only
    this one has 8 bits; `harm` is what its 8 bits add beside the groups that had them already
    when the search decided. `bytes` and `instructions` are what its 16 bits cost then, of one
    inference at the longest length that was seen.
    """

    group: str
    chosen: bool
    alone: float
    harm: float
    bytes: int
    instructions: int


class WideChoice(Record, frozen=True):
    """Groups that have 16 bits together: the harm left, of the worst sentence too, and the cost.

    `bytes` and `instructions` are more than those of the same graph in 8 bits.
    """

    groups: tuple[str, ...]
    harm: float
    worst_harm: float
    bytes: int
    instructions: int


class Widening(Record, frozen=True):
    """The search's choice for a mixed recipe, simulated on `sentences` of the calibration set.

    `limit` is the harm that the search did not go beyond. `groups` are in order: those that keep 16
    bits first, the one with the most harm per cost leading, then those that lost them, the last one
    first. `narrow` is no group, `wide` is every one, `fixed` is the list for models unsearched.
    """

    sentences: int
    tokens: int
    limit: float
    groups: tuple[WideGroup, ...]
    chosen: WideChoice
    narrow: WideChoice
    wide: WideChoice
    fixed: WideChoice
