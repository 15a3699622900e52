"""Sizes of the caches of a cluster, and the bracket of those that its profile does not know.

An unknown size is one of those that such cores are built with (data/core_caches.toml): the middle
one is taken as the usual, the smallest and the largest bound what the true one would give.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.profile import Caches, Cluster, Memory

CORE_CACHES = Path(__file__).resolve().parent / "data" / "core_caches.toml"
# What an emulated core of a kind that the table lacks has: the smallest level 2 of most cores.
UNKNOWN_KIND_KB = {"l1d": (32,), "l2": (256,), "l3": ()}
LEVELS = ("l1d", "l2", "l3")
_Sizes = Annotated[tuple[Annotated[int, msgspec.Meta(gt=0)], ...], msgspec.Meta(max_length=16)]


class CoreCaches(Record, frozen=True):
    """The sizes in KB that a kind of core is built with, rising; none: without that level."""

    l1d_kb: _Sizes
    l2_kb: _Sizes
    l3_kb: _Sizes
    source: str

    def __post_init__(self) -> None:
        if any(list(sizes) != sorted(set(sizes)) for sizes in self.by_level().values()):
            raise ValueError("cache sizes must rise")

    def by_level(self) -> dict[str, tuple[int, ...]]:
        """Sizes in KB by level."""
        return {"l1d": self.l1d_kb, "l2": self.l2_kb, "l3": self.l3_kb}


@dataclass(frozen=True)
class CacheSizes:
    """Bytes by level (`l1d`, `l2`, `l3`, `system`; 0: no such level), and their bracket.

    `smallest` and `largest` hold the levels whose size is not known, so nothing where all are.
    """

    usual: dict[str, int]
    smallest: dict[str, int]
    largest: dict[str, int]


def cache_sizes(cluster: Cluster, memory: Memory | None = None, sharers: int = 1) -> CacheSizes:
    """The caches of `cluster`: its profile's sizes, else those that its kind of core has.

    The system's cache is `memory`'s; one that no profile names is taken not to be there. What each
    of several `sharers` has of a level 2 lies between all of it, where they use the same lines, as
    weights are, and an equal part, where none is another's: the middle of the two factors is taken.
    """
    known = _known_sizes(cluster.caches)
    system = memory.system_cache_bytes if memory else None
    sizes = CacheSizes(usual={}, smallest={}, largest={})
    built = _read_core_caches().get(cluster.core)
    for level, choices in (built.by_level() if built else UNKNOWN_KIND_KB).items():
        size = known.get(level)
        if size is None and choices:
            sizes.smallest[level], sizes.largest[level] = choices[0] * 1024, choices[-1] * 1024
            size = choices[(len(choices) - 1) // 2] * 1024
        sizes.usual[level] = size or 0
    sizes.usual["system"] = system or 0
    if sharers > 1:
        sizes.smallest["l2"] = sizes.smallest.get("l2", sizes.usual["l2"]) // sharers
        sizes.largest.setdefault("l2", sizes.usual["l2"])
        sizes.usual["l2"] = round(sizes.usual["l2"] / math.sqrt(sharers))
    if sizes.smallest == sizes.largest:
        return CacheSizes(usual=sizes.usual, smallest={}, largest={})
    return sizes


def _known_sizes(caches: Caches | None) -> dict[str, int | None]:
    if caches is None:
        return {}
    return {"l1d": caches.l1d_bytes, "l2": caches.l2_bytes, "l3": caches.l3_bytes}


@functools.cache
def _read_core_caches() -> dict[str, CoreCaches]:
    return msgspec.toml.decode(CORE_CACHES.read_bytes(), type=dict[str, CoreCaches])
