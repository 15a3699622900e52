"""Measurements on a terminal, each group under a line that says where its figures come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.base import Record
from edge_bert.records.energy import Energy, EnergyUnavailable, ModelledEnergy
from edge_bert.records.measurement import Evidence, Measurement
from edge_bert.report.lists import table
from edge_bert.report.text import byte_size, significant

if TYPE_CHECKING:
    from rich.console import Console

LABELS = {
    Evidence.DEVICE: "measured on the device",
    Evidence.HOST: "measured on this machine, which says nothing about a phone",
    Evidence.EMULATED: "EMULATED: instructions counted; times and energy MODELLED, not measured",
}
HEADS = {
    Evidence.DEVICE: ("median ms", "p5 to p95 ms"),
    Evidence.HOST: ("median ms", "p5 to p95 ms"),
    Evidence.EMULATED: ("modelled ms", "low to high ms"),
}


class MeasuredRow(Record, frozen=True):
    """A measurement with its low, middle and high time, and its ratio to the run before."""

    measurement: Measurement
    low_ms: float
    ms: float
    high_ms: float
    ratio: float | None = None
    compared_with: str = ""


def render_measured(rows: Sequence[MeasuredRow], console: Console) -> None:
    """One table; the rows are of one target."""
    if not rows:
        return
    evidence = rows[0].measurement.evidence
    console.print(f"{rows[0].measurement.target.name}: {LABELS[evidence]}", highlight=False)
    head = ("artifact", "signature", "threads", *HEADS[evidence], "energy mJ")
    extra = "instructions" if evidence is Evidence.EMULATED else "peak memory"
    table(console, (*head, extra, "to the run before"), [_cells(row) for row in rows])
    for row in rows:
        for fault in row.measurement.faults:
            name = f"{row.measurement.subject.artifact} {row.measurement.subject.signature}"
            console.print(f"warning: {name} is invalid: {fault}", markup=False, highlight=False)


def energy_words(energy: Energy) -> str:
    """Millijoules with their origin, or `unavailable`."""
    if isinstance(energy, EnergyUnavailable):
        return "unavailable"
    low, high = significant(energy.low_mj), significant(energy.high_mj)
    if isinstance(energy, ModelledEnergy):
        return f"{low} to {high} (modelled)"
    return f"{significant(energy.mj)} ({low} to {high}, measured: {energy.source.value})"


def _cells(row: MeasuredRow) -> tuple[str, ...]:
    found = row.measurement
    if found.counts is not None:
        extra = f"{found.counts.total / 1e6:.1f} M"
    else:
        peak = found.memory.peak_rss_bytes if found.memory else None
        extra = byte_size(peak) if peak else ""
    return (
        found.subject.artifact,
        found.subject.signature,
        str(found.subject.threads),
        significant(row.ms),
        f"{significant(row.low_ms)} to {significant(row.high_ms)}",
        energy_words(found.energy),
        extra,
        "first run" if row.ratio is None else f"{row.ratio:.3f} x",
    )
