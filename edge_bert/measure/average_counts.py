"""The mean instruction counts of several inferences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from edge_bert.records.measurement import CacheMisses, InstructionCounts

BRACKET = ("smallest", "largest")


def average_counts(counts: Sequence[InstructionCounts]) -> InstructionCounts:
    """The mean of each class and miss, rounded down, of the total rounded up.

    So no class is more than the total. All of `counts` are of the same caches.
    """
    means = {
        name: _average([getattr(row, name) for row in counts])
        for name in InstructionCounts.__struct_fields__
        if name not in BRACKET and getattr(counts[0], name) is not None
    }
    means["total"] = math.ceil(sum(row.total for row in counts) / len(counts))
    brackets = {name: _average_misses([getattr(row, name) for row in counts]) for name in BRACKET}
    return msgspec.structs.replace(counts[0], **means, **brackets)


def _average_misses(misses: Sequence[CacheMisses | None]) -> CacheMisses | None:
    known = [row for row in misses if row is not None]
    if not known:
        return None
    names = CacheMisses.__struct_fields__
    return CacheMisses(**{name: _average([getattr(row, name) for row in known]) for name in names})


def _average(values: Sequence[int]) -> int:
    return sum(values) // len(values)
