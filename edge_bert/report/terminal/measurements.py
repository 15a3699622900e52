"""Measurements on a terminal, under a line that says where the figures come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.base import Record
from edge_bert.records.energy import Energy, EnergyUnavailable, ModelledEnergy
from edge_bert.records.measurement import Evidence, MeasuredSubject, Measurement
from edge_bert.records.report import MeasuredRun
from edge_bert.report.expected import EXPECTED_HEAD, ExpectedCost, expected_cells
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import NOT_KNOWN, byte_size, format_significant

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
RUN_HEAD = (
    "artifact",
    "signature",
    "threads",
    "inferences",
    "outliers",
    "ready ms",
    "load ms",
    "cold load ms",
    "first ms",
    "peak memory",
    "of it file-backed",
)


class MeasuredRow(Record, frozen=True):
    """A measurement with its low, middle and high time, and its ratio to the previous run.

    `run` is None for a model, which ran nowhere.
    """

    measurement: Measurement
    low_ms: float
    ms: float
    high_ms: float
    run: MeasuredRun | None = None
    ratio: float | None = None
    compared_with: str = ""


def print_measured(rows: Sequence[MeasuredRow], console: Console) -> None:
    """A table of latencies, and one of their runs; the rows are of one target."""
    if not rows:
        return
    evidence = rows[0].measurement.evidence
    print_line(console, f"{rows[0].measurement.target.name}: {LABELS[evidence]}")
    for build in dict.fromkeys(row.measurement.subject.runtime_build for row in rows):
        if build:
            print_line(console, f"runtime: {build}")
    for scaled_to in dict.fromkeys(row.measurement.scaled_to for row in rows):
        if scaled_to:
            print_line(console, f"times are scaled to {scaled_to}")
    head = ("artifact", "signature", "threads", *HEADS[evidence], "energy mJ")
    extra = "instructions" if evidence is Evidence.EMULATED else "peak memory"
    print_table(console, (*head, extra, "to the previous run"), [_cells(row) for row in rows])
    runs = [(row.measurement.subject, row.run) for row in rows if row.run is not None]
    if runs:
        print_line(console, "")
        print_line(console, "runs: time until ready, load time, memory")
        print_table(console, RUN_HEAD, [_run_cells(subject, run) for subject, run in runs])
    for row in rows:
        for note in row.run.notes if row.run else ():
            name = f"{row.measurement.subject.artifact} {row.measurement.subject.signature}"
            print_line(console, f"note: {name}: {note}")
        for fault in row.measurement.faults:
            name = f"{row.measurement.subject.artifact} {row.measurement.subject.signature}"
            print_line(console, f"warning: {name} is invalid: {fault}")


def print_expected(costs: Sequence[ExpectedCost], console: Console) -> None:
    """A table of what one text of a data set costs; nothing where that is not known."""
    if costs:
        console.print()
        print_line(console, "expected for one text, each in its smallest bucket")
        print_table(console, EXPECTED_HEAD, [tuple(expected_cells(cost)) for cost in costs])


def describe_energy(energy: Energy) -> str:
    """Millijoules with their origin, or `unavailable`."""
    if isinstance(energy, EnergyUnavailable):
        return "unavailable"
    low, high = format_significant(energy.low_mj), format_significant(energy.high_mj)
    if isinstance(energy, ModelledEnergy):
        scaled = f", scaled to {energy.scaled_to}" if energy.scaled_to else ""
        return f"{low} to {high} (modelled{scaled})"
    return f"{format_significant(energy.mj)} ({low} to {high}, measured: {energy.source.value})"


def _run_cells(subject: MeasuredSubject, run: MeasuredRun) -> tuple[str, ...]:
    times = (run.ready_ms, run.load_ms, run.cold_load_ms, run.first_ms)
    sizes = (run.peak_bytes, run.file_bytes)
    return (
        subject.artifact,
        subject.signature,
        str(subject.threads),
        str(run.inferences),
        str(run.outliers),
        *(NOT_KNOWN if time is None else format_significant(time) for time in times),
        *(NOT_KNOWN if size is None else byte_size(size) for size in sizes),
    )


def _cells(row: MeasuredRow) -> tuple[str, ...]:
    measurement = row.measurement
    if measurement.counts is not None:
        extra = f"{measurement.counts.total / 1e6:.1f} M"
    else:
        peak = measurement.memory.peak_rss_bytes if measurement.memory else None
        extra = byte_size(peak) if peak else ""
    return (
        measurement.subject.artifact,
        measurement.subject.signature,
        str(measurement.subject.threads),
        format_significant(row.ms),
        f"{format_significant(row.low_ms)} to {format_significant(row.high_ms)}",
        describe_energy(measurement.energy),
        extra,
        "first run" if row.ratio is None else f"{row.ratio:.3f} x",
    )
