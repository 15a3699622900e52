"""The list of device profiles on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_bert.budget_text import describe_budget
from edge_bert.records.profile import Cluster, DeviceProfile
from edge_bert.report.terminal.tables import print_table
from edge_bert.text import make_printable

if TYPE_CHECKING:
    from rich.console import Console

HEAD = ("profile", "device", "chip", "cores", "features", "runtime", "budget")
# Every 64-bit Arm core has it, so it distinguishes no devices.
COMMON = "asimd"


def print_profiles(profiles: Mapping[str, DeviceProfile], console: Console) -> None:
    """A table on a terminal; tab-separated lines, the head first, for scripts."""
    if not console.is_terminal:
        rows = [(_name(name, item), *_cells(item)) for name, item in profiles.items()]
        print_table(console, HEAD, rows)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(*HEAD, box=None, header_style="bold", pad_edge=False)
    for name, profile in profiles.items():
        cells = (
            (_name(name, profile), *_cells(profile))
            if name == profile.name
            else (_name(name, profile),)
        )
        # One fact a line: a terminal is too narrow for seven columns of sentences.
        table.add_row(
            *(Text(make_printable(cell).replace(" + ", "\n").replace("; ", "\n")) for cell in cells)
        )
        table.add_section()
    console.print(table)


def _name(name: str, profile: DeviceProfile) -> str:
    return name if name == profile.name else f"{name} -> {profile.name}"


def _cells(profile: DeviceProfile) -> tuple[str, ...]:
    return (
        "; ".join([profile.title, *_scaling(profile)]),
        profile.soc,
        " + ".join(_cores(cluster) for cluster in profile.clusters),
        features_of(profile),
        profile.runtime,
        describe_budget(profile.budget),
    )


def _scaling(profile: DeviceProfile) -> list[str]:
    """The measured phones that figures of the profile are scaled to."""
    phones = dict.fromkeys(cluster.scaled_to for cluster in profile.clusters if cluster.scaled_to)
    return [f"modelled figures scaled to {phone}" for phone in phones]


def features_of(profile: DeviceProfile) -> str:
    """The features beyond COMMON that all cores share: programs see no more than those."""
    common = set.intersection(*(set(cluster.features) for cluster in profile.clusters))
    return " ".join(name for name in profile.clusters[0].features if name in common - {COMMON})


def _cores(cluster: Cluster) -> str:
    return f"{cluster.cores} {cluster.core} {cluster.max_mhz} MHz"
