"""Latency of a core, predicted from counted instructions and cache misses.

A throughput model. A core's units (vector, load and store, scalar, issue) work side by side, so
the busiest one sets the pace; the work of the others is hidden in part. Lines that a cache level
misses are paid by the bandwidth of the next level. Constants are in data/cores.toml, with sources;
the four assumptions below hold for every core alike.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.records.latency import ModelledLatency
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import SME_CORES, Cluster, Memory

CORES = Path(__file__).resolve().parent / "data" / "cores.toml"
LINE_BYTES = 64
# Share of the less busy units' time that is not hidden. An in-order core hides less.
EXPOSED_OUT_OF_ORDER = 0.1
EXPOSED_IN_ORDER = 0.5
# Share of one thread's work that several threads can split (Amdahl); assumed, not measured.
PARALLEL = 0.95
# Share of main memory's peak that programs reach; assumed.
DRAM_EFFICIENCY = 0.7


class CoreModel(Record, frozen=True):
    """A row of data/cores.toml: instructions, transfers and bytes in a cycle."""

    width: float
    in_order: bool
    fmla: float
    sdot: float
    smmla: float
    vector: float
    load_16: float
    load_small: float
    stores: float
    scalar: float
    l2_bytes: float
    l3_bytes: float
    dram_gb_per_s: float
    source: str


@dataclass(frozen=True)
class _Traffic:
    """Cycles of one core waiting for lines, and lines from main memory."""

    l2: float
    l3: float
    dram: float


def knows_core(core: str) -> bool:
    """Whether the table has a row for a core type."""
    return core in _read_cores()


def core_model(core: str) -> CoreModel:
    """The row of a core type. Raises InputError for one that the table lacks."""
    cores = _read_cores()
    if core in SME_CORES:
        raise InputError(
            f"The cost model has no rates for {core!r}: phones with it take kernels with SME2, "
            "which cannot be counted; measure on the phone."
        )
    if core not in cores:
        raise InputError(f"The cost model does not know {core!r}; it knows {', '.join(cores)}.")
    return cores[core]


def predict_latency(
    counts: InstructionCounts, cluster: Cluster, memory: Memory | None = None, *, threads: int = 1
) -> ModelledLatency:
    """The latency of one inference on `threads` cores of `cluster` at its top clock.

    `low_ms` has all units and caches work at the same time, `high_ms` one after the other; where
    the size of a level 3 cache is unknown, `low_ms` has every line come from it, `high_ms` none.
    Raises InputError for more threads than cores, impossible counts, or instructions that the core
    lacks.
    """
    _check_counts(counts, cluster, threads)
    core = core_model(cluster.core)
    units = _unit_cycles(counts, core, cluster)
    busiest, total = max(units.values()), sum(units.values()) - units["issue"]
    exposed = EXPOSED_IN_ORDER if core.in_order else EXPOSED_OUT_OF_ORDER
    hidden = max(total - busiest, 0.0)
    fewest, most = main_memory_lines(counts, cluster)
    traffic = _line_cycles(counts, cluster, core, (fewest + most) / 2)
    near, far = (
        _line_cycles(counts, cluster, core, fewest),
        _line_cycles(counts, cluster, core, most),
    )

    def milliseconds(compute: float, waiting: _Traffic) -> float:
        split = _split_cycles(compute + waiting.l2, threads)
        return (split + _shared_cycles(waiting, core, memory, threads)) / (cluster.max_mhz * 1e3)

    low = max(milliseconds(busiest, _Traffic(0, 0, 0)), milliseconds(0.0, near))
    cycles = {
        "busiest unit": busiest,
        "not hidden": exposed * hidden,
        "level 2": traffic.l2,
        "level 3": traffic.l3,
        "main memory": traffic.dram,
    }
    return ModelledLatency(
        ms=milliseconds(busiest + exposed * hidden, traffic),
        low_ms=low,
        high_ms=milliseconds(busiest + hidden, far),
        cycles=cycles,
        core=cluster.core,
        mhz=cluster.max_mhz,
        threads=threads,
        scaled_to=cluster.scaled_to,
    )


def _check_counts(counts: InstructionCounts, cluster: Cluster, threads: int) -> None:
    if not 1 <= threads <= cluster.cores:
        raise InputError(f"{cluster.core}: {threads} threads do not fit on {cluster.cores} cores.")
    if counts.total <= 0:
        raise InputError("No instructions were counted; run the model again.")
    if not counts.l1d_misses >= counts.l2_misses >= counts.l3_misses:
        raise InputError("A cache level has more misses than the one before it; count again.")


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


def main_memory_lines(counts: InstructionCounts, cluster: Cluster) -> tuple[int, int]:
    """The fewest and the most cache lines that came from main memory.

    They differ where the core has a level 3 cache of a size that the profile does not know.
    """
    if cluster.caches is not None and cluster.caches.l3_bytes is not None:
        return counts.l3_misses, counts.l3_misses
    return (0 if core_model(cluster.core).l3_bytes else counts.l2_misses), counts.l2_misses


def _line_cycles(
    counts: InstructionCounts, cluster: Cluster, core: CoreModel, from_dram: float
) -> _Traffic:
    l3_line = LINE_BYTES / core.l3_bytes if core.l3_bytes else 0.0
    dram_line = LINE_BYTES * cluster.max_mhz / (core.dram_gb_per_s * 1e3)
    factor = cluster.traffic_factor
    return _Traffic(
        l2=factor * counts.l1d_misses * LINE_BYTES / core.l2_bytes,
        l3=factor * (counts.l2_misses - from_dram) * l3_line,
        # A line from main memory comes by the way of level 3 and is never faster.
        dram=factor * from_dram * max(dram_line, l3_line),
    )


def _split_cycles(cycles: float, threads: int) -> float:
    """Amdahl's law."""
    return cycles * (1 - PARALLEL + PARALLEL / threads)


def _shared_cycles(
    traffic: _Traffic, core: CoreModel, memory: Memory | None, threads: int
) -> float:
    """Cycles for what the cores share: main memory gives all of them no more than its peak."""
    peak = memory.dram_gb_per_s if memory else None
    most = DRAM_EFFICIENCY * peak / core.dram_gb_per_s if peak else float(threads)
    return traffic.l3 / threads + traffic.dram / min(float(threads), most)


@functools.cache
def _read_cores() -> dict[str, CoreModel]:
    return msgspec.toml.decode(CORES.read_bytes(), type=dict[str, CoreModel])
