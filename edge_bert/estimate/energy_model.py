"""From a predicted time to a bracket of millijoules, by every power table that knows the core.

Tables for one core disagree twofold, so the answer is a range, and it is never called measured.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import msgspec
import numpy as np

from edge_bert.errors import InputError
from edge_bert.estimate.cache_lines import LINE_BYTES, main_memory_lines
from edge_bert.estimate.thread_team import gather_team
from edge_bert.records.base import Record
from edge_bert.records.energy import EnergyEstimate, EnergyUnavailable, ModelledEnergy
from edge_bert.records.latency import ModelledLatency
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import Cluster

POWER = Path(__file__).resolve().parent / "data" / "core_power.toml"
# Main memory, nJ per 8 bytes. Highest: Horowitz, ISSCC 2014 (DRAM beside a 45 nm chip). Lowest:
# about 5 pJ per bit, commonly stated for LPDDR4.
DRAM_NJ_PER_8_BYTES = (0.3, 2.6)
# Power grows with clock times voltage squared, and voltage with the clock: between the first and
# the third power of the clock. Used where a table has no clock near the one that is asked for.
CLOCK_EXPONENT = 2.0
# Cores of one kind, for a core that no table has.
KINDS = {
    "little": ("cortex-a53", "cortex-a55", "cortex-a510", "cortex-a520"),
    "middle": (
        "cortex-a72",
        "cortex-a73",
        "cortex-a75",
        "cortex-a76",
        "cortex-a77",
        "cortex-a78",
        "cortex-a710",
        "cortex-a715",
        "cortex-a720",
        "cortex-a725",
        "kryo",
        "oryon-m",
    ),
    "big": ("cortex-x1", "cortex-x2", "cortex-x3", "cortex-x4", "cortex-x925", "oryon"),
}
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class PowerTable(Record, frozen=True):
    """Milliwatts of one busy core at rising clocks in MHz, from one source."""

    core: str
    name: str
    kind: Literal["wattson", "energy model", "power profile"]
    mhz: Annotated[tuple[_Positive, ...], msgspec.Meta(min_length=1)]
    mw: tuple[_Positive, ...]
    source: str
    only_where_named: bool = False

    def __post_init__(self) -> None:
        if len(self.mhz) != len(self.mw) or list(self.mhz) != sorted(set(self.mhz)):
            raise ValueError(f"{self.core}, {self.name}: clocks must rise, one power for each")

    def milliwatts(self, mhz: float) -> float:
        """Power at a clock: linear between two clocks of the table, outside them its square."""
        inside = min(max(mhz, self.mhz[0]), self.mhz[-1])
        nearest = float(np.interp(inside, self.mhz, self.mw))
        return nearest * float((mhz / inside) ** CLOCK_EXPONENT)


def model_energy(
    counts: InstructionCounts,
    latency: ModelledLatency,
    cluster: Cluster,
    others: Sequence[Cluster] = (),
) -> ModelledEnergy | EnergyUnavailable:
    """Millijoules for one inference: busy cores over the predicted time, and main memory.

    Threads that `cluster` has no core for are on `others`, at the middle power of their tables.
    The tables are those that the cluster names, else all of its core, with those of cores of its
    kind where there is one at most. Not covered: the rest of the chip, the regulators, the screen.
    Raises InputError where the cluster names a table that does not exist.
    """
    tables = _tables_of(cluster)
    if not tables:
        return EnergyUnavailable(f"no power table has {latency.core} or a core of its kind.")
    first, *rest = gather_team(cluster, others, latency.threads)
    helpers_mw = sum(part.threads * median(core_milliwatts(part.cluster)) for part in rest)
    estimates, factor = [], cluster.energy_factor
    for table in tables:
        core_mw = table.milliwatts(latency.mhz)
        likeness = "" if table.core == latency.core else f" (a {table.core})"
        estimates.append(
            EnergyEstimate(
                mj=factor * (core_mw * first.threads + helpers_mw) * latency.ms / 1e3,
                core_mw=core_mw,
                table=f"{table.kind}: {table.name}{likeness}",
                source=table.source,
            )
        )
    lines = main_memory_lines(counts, cluster)
    low, high = (
        factor * count * LINE_BYTES / 8 * nj * 1e-6
        for count, nj in zip(lines, DRAM_NJ_PER_8_BYTES, strict=True)
    )
    return ModelledEnergy(
        estimates=tuple(estimates),
        memory_low_mj=low,
        memory_high_mj=high,
        scaled_to=cluster.scaled_to if factor != 1.0 else "",
    )


def core_milliwatts(cluster: Cluster) -> list[float]:
    """The power of one busy core at its top clock, by each table that `model_energy` would use."""
    return [table.milliwatts(cluster.max_mhz) for table in _tables_of(cluster)]


def _tables_of(cluster: Cluster) -> list[PowerTable]:
    """The tables that the profile names for the cluster, else those of its core; and the phone's
    own. A maker's figure for one phone is one more opinion: it does not narrow the bracket."""
    return [*(_named_tables(cluster) or _tables_for(cluster.core)), *_own_table(cluster)]


def _own_table(cluster: Cluster) -> list[PowerTable]:
    power = cluster.maker_power
    if power is None:
        return []
    own = "this phone's own"
    return [PowerTable(cluster.core, own, "power profile", power.mhz, power.mw, power.source)]


def _named_tables(cluster: Cluster) -> list[PowerTable]:
    """The tables that the profile names for the cluster, in its order."""
    tables = {f"{x.kind}: {x.name}": x for x in _read_tables() if x.core == cluster.core}
    unknown = [name for name in cluster.power_tables if name not in tables]
    if unknown:
        raise InputError(
            f"{cluster.core} has no power table {unknown[0][:80]!r}; there are "
            f"{', '.join(tables) or 'none'}. Change power_tables in the profile."
        )
    return [tables[name] for name in cluster.power_tables]


def _tables_for(core: str) -> list[PowerTable]:
    """The tables of the core, and those of its kind where it has one at most, which is no range."""
    tables = [table for table in _read_tables() if not table.only_where_named]
    exact = [table for table in tables if table.core == core]
    kind = next((cores for cores in KINDS.values() if core in cores), ())
    alike = [table for table in tables if table.core in kind and table.core != core]
    return exact if len(exact) > 1 else exact + alike


@functools.cache
def _read_tables() -> tuple[PowerTable, ...]:
    try:
        document = msgspec.toml.decode(POWER.read_bytes(), type=dict[str, tuple[PowerTable, ...]])
    except (OSError, msgspec.ValidationError) as error:
        raise InputError(f"{POWER.name} is damaged: {error}; reinstall edge-bert.") from error
    return document["tables"]
