"""How a super-network was trained, and what some of its sub-networks score."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.candidate import Structure

Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class SubnetworkScore(Record, frozen=True):
    """A sub-network of a super-network: its multiply-adds, which are a `share` of the whole's, and
    its held-out score."""

    structure: Structure
    macs: Count
    share: Share
    score: float


class SupernetTraining(Record, frozen=True):
    """How a super-network was trained: heads and neurons by which importance, so many sub-networks
    drawn in each step beside the largest and the smallest.

    With `in_place` the smaller ones learned from the largest. `rungs` are some of them, from the
    smallest to the whole; their multiply-adds are those of `length` tokens.
    """

    importance: str
    drawn: Count
    in_place: bool
    length: Count
    rungs: tuple[SubnetworkScore, ...]
