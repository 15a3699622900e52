"""Latency of a core, predicted from counted instructions and cache misses.

A throughput model. A core's units (vector, load and store, scalar, issue) work side by side, so
the busiest one sets the pace; the work of the others is hidden in part. Lines that a cache level
misses are paid by the bandwidth of the next level. Constants are in data/cores.toml, with sources;
the assumptions below and in thread_team.py hold for every core alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_bert.errors import InputError
from edge_bert.estimate.cache_lines import (
    NO_LINES,
    CacheLines,
    End,
    core_stream,
    line_cycles,
    line_sources,
    memory_stream,
)
from edge_bert.estimate.core_model import CoreModel, core_model
from edge_bert.estimate.thread_team import TeamPart, barrier_ms, crowding, gather_team, split_work
from edge_bert.records.latency import ModelledLatency
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import Cluster, Memory

# Share of the less busy units' time that is not hidden. An in-order core hides less.
EXPOSED_OUT_OF_ORDER = 0.1
EXPOSED_IN_ORDER = 0.5


@dataclass(frozen=True)
class _Compute:
    """Cycles of one core: its busiest unit, the others' work, and what of that is not hidden."""

    busiest: float
    hidden: float
    exposed: float


@dataclass(frozen=True)
class _Run:
    """One inference on a team of cores."""

    counts: InstructionCounts
    team: tuple[TeamPart, ...]
    memory: Memory | None

    def milliseconds(self, lines: CacheLines, end: End, *, computing: bool = True) -> float:
        """The time for the work, or without `computing` no work, and then for these lines.

        At the `low` end the other units' work is hidden, at the `high` end none of it.
        """

        def alone_ms(part: TeamPart) -> float:
            work = _compute_cycles(self.counts, part.cluster)
            shown = {"low": 0.0, "middle": work.exposed, "high": work.hidden}[end]
            cycles = (work.busiest + shown) * computing
            line = line_cycles(part.cluster, self.memory, end).l2
            cycles += lines.l2 * line * crowding(part, end)
            return cycles / (part.cluster.max_mhz * 1e3)

        return split_work(self.team, alone_ms) + self._shared_ms(lines, end)

    def _shared_ms(self, lines: CacheLines, end: End) -> float:
        """The time for lines beyond level 2, which the cores fetch side by side.

        Main memory gives all of them together no more than what the chip gets from it.
        """
        cores = [(part, line_cycles(part.cluster, self.memory, end)) for part in self.team]
        streams = sum(
            part.threads * core_stream(core_model(part.cluster.core), self.memory)
            for part in self.team
        )
        crowded = max(streams / memory_stream(self.memory), 1.0)
        waiting = 0.0
        for level, delay in (("l3", 1.0), ("system", 1.0), ("dram", crowded)):
            speed = sum(
                part.threads * part.cluster.max_mhz * 1e3 / cycles
                for part, cost in cores
                if (cycles := getattr(cost, level))
            )
            waiting += delay * getattr(lines, level) / speed if speed else 0.0
        return waiting


def predict_latency(
    counts: InstructionCounts,
    cluster: Cluster,
    memory: Memory | None = None,
    *,
    threads: int = 1,
    others: Sequence[Cluster] = (),
    operators: int = 0,
) -> ModelledLatency:
    """The latency of one inference on `threads` cores of `cluster`, all at their top clock.

    Threads for which `cluster` has no core run on the fastest of the `others`, the device's other
    clusters; they wait for each other after each of `operators` operators. `low_ms` has all units
    and caches work at the same time, `high_ms` one after the other; where cache sizes are unknown,
    `low_ms` has the largest and `high_ms` the smallest that such cores are built with.
    Raises InputError for more threads than cores, impossible counts, or instructions that the core
    lacks.
    """
    run = _Run(counts, gather_team(cluster, others, threads), memory)
    _check_counts(counts)
    usual, fewest, most = line_sources(counts, cluster)
    waits = barrier_ms(threads, operators)
    middle = run.milliseconds(usual, "middle") + waits
    low = max(run.milliseconds(NO_LINES, "low"), run.milliseconds(fewest, "low", computing=False))
    return ModelledLatency(
        ms=middle,
        # A larger cache may miss more: least-recently-used replacement in sets is not monotonic.
        low_ms=min(low, middle),
        high_ms=max(run.milliseconds(most, "high") + waits, middle),
        cycles=_split_cycles(counts, usual, cluster, memory),
        core=cluster.core,
        mhz=cluster.max_mhz,
        threads=threads,
        scaled_to=cluster.scaled_to,
    )


def _check_counts(counts: InstructionCounts) -> None:
    if counts.total <= 0:
        raise InputError("No instructions were counted; run the model again.")
    misses = [counts.l1d_misses, counts.l2_misses, counts.l3_misses]
    misses += [] if counts.system_misses is None else [counts.system_misses]
    if misses != sorted(misses, reverse=True):
        raise InputError("A cache level has more misses than the one before it; count again.")


def _split_cycles(
    counts: InstructionCounts, lines: CacheLines, cluster: Cluster, memory: Memory | None
) -> dict[str, float]:
    """The cycles of one core that does everything alone, by cause: computing, then traffic."""
    work = _compute_cycles(counts, cluster)
    cost = line_cycles(cluster, memory, "middle")
    return {
        "busiest unit": work.busiest,
        "not hidden": work.exposed,
        "level 2": lines.l2 * cost.l2,
        "level 3": lines.l3 * cost.l3,
        "system cache": lines.system * cost.system,
        "main memory": lines.dram * cost.dram,
    }


def _compute_cycles(counts: InstructionCounts, cluster: Cluster) -> _Compute:
    core = core_model(cluster.core)
    units = _unit_cycles(counts, core, cluster)
    busiest, total = max(units.values()), sum(units.values()) - units["issue"]
    hidden = max(total - busiest, 0.0)
    share = EXPOSED_IN_ORDER if core.in_order else EXPOSED_OUT_OF_ORDER
    return _Compute(busiest=busiest, hidden=hidden, exposed=share * hidden)


def _unit_cycles(counts: InstructionCounts, core: CoreModel, cluster: Cluster) -> dict[str, float]:
    """Cycles that each unit is busy for."""
    special = {"fmla": counts.fmla, "sdot": counts.sdot, "smmla": counts.smmla}
    rates = {"fmla": core.fmla, "sdot": core.sdot, "smmla": core.smmla}
    vector = (counts.vector_int + counts.vector_other) / core.vector
    for kind, count in special.items():
        if count and not rates[kind]:
            raise InputError(f"{cluster.core} has no {kind.upper()}, but {count} were counted.")
        vector += count / rates[kind] if count else 0.0
    small = counts.load_bytes_1 + counts.load_bytes_2 + counts.load_bytes_4 + counts.load_bytes_8
    stores = counts.store_bytes_1 + counts.store_bytes_2 + counts.store_bytes_4
    stores += counts.store_bytes_8 + counts.store_bytes_16
    units = {
        "vector": vector,
        "memory": counts.load_bytes_16 / core.load_16
        + small / core.load_small
        + stores / core.stores,
        "scalar": (counts.scalar_alu + counts.branch) / core.scalar,
        "issue": counts.total / core.width,
    }
    return {unit: cluster.compute_factor * cycles for unit, cycles in units.items()}
