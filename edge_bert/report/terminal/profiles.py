"""The list of device profiles on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_bert.records.profile import Budget, Cluster, DeviceProfile
from edge_bert.report.terminal.tables import print_table
from edge_bert.text import NOT_KNOWN, byte_size, format_significant, make_printable

if TYPE_CHECKING:
    from rich.console import Console

HEAD = ("profile", "device", "chip", "cores", "features", "runtime", "budget")
# Every 64-bit Arm core has it, so it tells no device from another.
COMMON = "asimd"


def print_profiles(found: Mapping[str, DeviceProfile], console: Console) -> None:
    """A table on a terminal; tab-separated lines, the head first, where scripts may cut them."""
    if not console.is_terminal:
        rows = [(_name(name, each), *_cells(each)) for name, each in found.items()]
        print_table(console, HEAD, rows)
        return
    from rich.table import Table
    from rich.text import Text

    shown = Table(*HEAD, box=None, header_style="bold", pad_edge=False)
    for name, profile in found.items():
        cells = (
            (_name(name, profile), *_cells(profile))
            if name == profile.name
            else (_name(name, profile),)
        )
        # One fact a line: a terminal is too narrow for seven columns of sentences.
        shown.add_row(
            *(Text(make_printable(cell).replace(" + ", "\n").replace("; ", "\n")) for cell in cells)
        )
        shown.add_section()
    console.print(shown)


def _name(name: str, profile: DeviceProfile) -> str:
    return name if name == profile.name else f"{name} -> {profile.name}"


def _cells(profile: DeviceProfile) -> tuple[str, ...]:
    return (
        profile.title,
        profile.soc,
        " + ".join(_cores(each) for each in profile.clusters),
        features_of(profile),
        profile.runtime,
        budget_text(profile.budget),
    )


def features_of(profile: DeviceProfile) -> str:
    """What all cores have beyond the least: programs see no more than that."""
    common = set.intersection(*(set(each.features) for each in profile.clusters))
    return " ".join(each for each in profile.clusters[0].features if each in common - {COMMON})


def budget_text(budget: Budget) -> str:
    """The limits in one line; absent ones are left out."""
    limits = []
    if budget.size_bytes is not None:
        limits.append(byte_size(budget.size_bytes))
    if budget.latency_ms is not None:
        limits.append(
            f"{format_significant(budget.latency_ms)} ms at {budget.latency_length} tokens"
        )
    if budget.energy_mj is not None:
        limits.append(f"{format_significant(budget.energy_mj)} mJ")
    if budget.peak_ram_bytes is not None:
        limits.append(f"{byte_size(budget.peak_ram_bytes)} memory")
    if budget.min_score is not None:
        limits.append(f"score {budget.min_score:.2f}")
    return "; ".join(limits) or NOT_KNOWN


def _cores(cluster: Cluster) -> str:
    return f"{cluster.cores} {cluster.core} {cluster.max_mhz} MHz"
