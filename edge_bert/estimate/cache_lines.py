"""Cache lines by the level that they come from, and what a core waits for one of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_bert.estimate.core_model import CoreModel, core_model
from edge_bert.records.measurement import CacheMisses, InstructionCounts
from edge_bert.records.profile import Cluster, Memory

LINE_BYTES = 64
# Share of main memory's peak that cores get: the median of the boards of data/stream.toml whose
# memory, not whose core, was the limit. A profile may know what its own device was measured to get.
SHARE_OF_PEAK = 0.63
# Which end of a bracket is asked for.
End = Literal["low", "middle", "high"]


@dataclass(frozen=True)
class CacheLines:
    """Lines that come from each level beyond the first, or what one of each costs."""

    l2: float
    l3: float
    system: float
    dram: float


NO_LINES = CacheLines(0.0, 0.0, 0.0, 0.0)


def line_sources(
    counts: InstructionCounts, cluster: Cluster
) -> tuple[CacheLines, CacheLines, CacheLines]:
    """The lines by level: with the usual caches, with the fewest and with the most from memory."""
    if counts.system_misses is None:
        return _older_line_sources(counts, cluster)
    own = CacheMisses(
        l1d_misses=counts.l1d_misses,
        l2_misses=counts.l2_misses,
        l3_misses=counts.l3_misses,
        system_misses=counts.system_misses,
    )
    usual, fewest, most = map(_lines, (own, counts.largest or own, counts.smallest or own))
    return usual, fewest, most


def main_memory_lines(counts: InstructionCounts, cluster: Cluster) -> tuple[float, float]:
    """The fewest and the most cache lines that came from main memory.

    They differ where the profile does not know the sizes of all caches.
    """
    _, fewest, most = line_sources(counts, cluster)
    return min(fewest.dram, most.dram), max(fewest.dram, most.dram)


def line_cycles(cluster: Cluster, memory: Memory | None, end: End) -> CacheLines:
    """Cycles that one core waits for a line of each level, by the cluster's factor if any.

    Nobody publishes what a core gets from the system's cache: it is between what the level before
    it and what main memory gives, and taken as their geometric mean.
    """
    core, factor = core_model(cluster.core), cluster.traffic_factor
    l2 = LINE_BYTES / core.l2_bytes
    l3 = LINE_BYTES / core.l3_bytes if core.l3_bytes else 0.0
    before = l3 or l2
    # A line from main memory comes by the way of the caches and is never faster.
    dram = max(LINE_BYTES * cluster.max_mhz / (core_stream(core, memory) * 1e3), before)
    system = {"low": before, "middle": math.sqrt(before * dram), "high": dram}[end]
    return CacheLines(l2=factor * l2, l3=factor * l3, system=factor * system, dram=factor * dram)


def core_stream(core: CoreModel, memory: Memory | None) -> float:
    """What one core alone gets from main memory, in 1e9 bytes/s."""
    return min(core.dram_gb_per_s, memory_stream(memory))


def memory_stream(memory: Memory | None) -> float:
    """What all cores together get from main memory, in 1e9 bytes/s; no limit where unknown."""
    if memory is None:
        return math.inf
    peak = memory.dram_gb_per_s
    return memory.stream_gb_per_s or (SHARE_OF_PEAK * peak if peak else math.inf)


def _lines(misses: CacheMisses) -> CacheLines:
    return CacheLines(
        l2=misses.l1d_misses,
        l3=misses.l2_misses - misses.l3_misses,
        system=misses.l3_misses - misses.system_misses,
        dram=misses.system_misses,
    )


def _older_line_sources(
    counts: InstructionCounts, cluster: Cluster
) -> tuple[CacheLines, CacheLines, CacheLines]:
    """Of counts that know nothing beyond level 3, and no level 3 that the profile does not."""
    known = cluster.caches is not None and cluster.caches.l3_bytes is not None
    most = counts.l3_misses if known else counts.l2_misses
    fewest = most if known or not core_model(cluster.core).l3_bytes else 0
    usual, near, far = (
        CacheLines(l2=counts.l1d_misses, l3=counts.l2_misses - dram, system=0.0, dram=dram)
        for dram in ((fewest + most) / 2, fewest, most)
    )
    return usual, near, far
