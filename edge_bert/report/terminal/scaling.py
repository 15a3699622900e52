"""The factors of a measured phone on a terminal, with the files that they are from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.profile import Scaling
from edge_bert.records.scaled_file import FittedCluster, ScaledFile
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import format_significant

if TYPE_CHECKING:
    from rich.console import Console

HEAD = ("file", "measured ms", "model before", "error", "model, file left out", "error")


def print_scaling(clusters: Sequence[FittedCluster], console: Console) -> None:
    """A table of each cluster: what was measured, and the model without and with factors."""
    for cluster in clusters:
        scaling = cluster.scaling
        print_line(
            console,
            f"{cluster.core} at {cluster.max_mhz} MHz, scaled to {scaling.describe()}, "
            f"{scaling.build}: {_factors(scaling)}",
        )
        print_table(console, HEAD, [_cells(file) for file in cluster.files])
        print_line(
            console,
            f"files left out of the fit: off by {scaling.error:.1%} in the median, "
            f"{scaling.worst_error:.1%} at worst",
        )


def _factors(scaling: Scaling) -> str:
    energy = "unknown" if scaling.energy is None else f"x {scaling.energy:.2f}"
    return f"compute x {scaling.compute:.2f}, traffic x {scaling.traffic:.2f}, energy {energy}"


def _cells(file: ScaledFile) -> tuple[str, ...]:
    return (
        file.name,
        format_significant(file.measured_ms),
        format_significant(file.before_ms),
        _error(file.before_ms, file.measured_ms),
        format_significant(file.left_out_ms),
        _error(file.left_out_ms, file.measured_ms),
    )


def _error(predicted: float, measured: float) -> str:
    return f"{predicted / measured - 1:+.1%}"
