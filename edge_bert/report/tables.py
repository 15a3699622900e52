"""Rows of a report put in the order in which they are read; machines are never mixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import EnergyKind, LatencyRow, MeasuredRun, OperatorRow, Report

KINDS = ("embedding table", "matrices", "biases", "other constants", "graph")
EVIDENCE_WORDS: dict[Evidence, str] = {
    Evidence.DEVICE: "measured on the device",
    Evidence.EMULATED: "emulated, time modelled",
    Evidence.HOST: "measured on the build machine",
}

T = TypeVar("T")
K = TypeVar("K")


class LatencyGroup(Record, frozen=True):
    """Latencies that may be compared: one machine, one kind of evidence, one thread count."""

    evidence: Evidence
    machine: str
    threads: int
    lengths: tuple[int, ...]
    rows: dict[str, dict[int, LatencyRow]]  # artifact -> length -> row

    @property
    def energy_kinds(self) -> tuple[EnergyKind, ...]:
        """The kinds of energy that some row tells, measured first."""
        kinds_found = {row.energy.kind for row in self.every_row() if row.energy}
        every: tuple[EnergyKind, ...] = ("measured", "modelled")
        return tuple(kind for kind in every if kind in kinds_found)

    @property
    def changes(self) -> bool:
        """Whether some row is compared with an earlier run."""
        return any(row.change for row in self.every_row())

    @property
    def runs(self) -> tuple[tuple[LatencyRow, MeasuredRun], ...]:
        """The rows that were run, with what the runs showed."""
        return tuple((row, row.run) for row in self.every_row() if row.run)

    def every_row(self) -> Iterable[LatencyRow]:
        """All rows, artifact by artifact."""
        return (row for by_length in self.rows.values() for row in by_length.values())


class OperatorGroup(Record, frozen=True):
    """Operators of one signature of one artifact on one machine, slowest first."""

    artifact: str
    length: int
    evidence: Evidence
    machine: str
    rows: tuple[OperatorRow, ...]

    @property
    def total_ms(self) -> float:
        """Time of all operators together."""
        return math.fsum(row.total_ms for row in self.rows)


def _grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def latency_groups(report: Report) -> tuple[LatencyGroup, ...]:
    """Device first, then emulated, then host; fewer threads first."""
    strength = list(EVIDENCE_WORDS)
    found = _grouped(report.measurements, lambda row: (row.evidence, row.machine, row.threads))
    keys = sorted(found, key=lambda key: (strength.index(key[0]), key[1], key[2]))
    return tuple(_latency_group(report, *key, found[key]) for key in keys)


def _latency_group(
    report: Report, evidence: Evidence, machine: str, threads: int, rows: list[LatencyRow]
) -> LatencyGroup:
    by_artifact = _grouped(rows, lambda row: row.artifact)
    ordered = [one.name for one in report.manifest.artifacts if one.name in by_artifact]
    return LatencyGroup(
        evidence=evidence,
        machine=machine,
        threads=threads,
        lengths=tuple(sorted({row.length for row in rows})),
        rows={name: {row.length: row for row in by_artifact[name]} for name in ordered},
    )


def operator_groups(report: Report) -> tuple[OperatorGroup, ...]:
    """The default artifact first, then the order of the manifest; longest signature first."""
    names = [one.name for one in report.manifest.artifacts]
    names.sort(key=lambda name: name != report.manifest.default.artifact)
    found = _grouped(
        report.operators, lambda row: (row.artifact, row.length, row.evidence, row.machine)
    )
    keys = sorted(found, key=lambda key: (names.index(key[0]), -key[1], key[2].value, key[3]))
    slowest = {key: sorted(found[key], key=lambda row: -row.total_ms) for key in keys}
    return tuple(OperatorGroup(*key, tuple(slowest[key])) for key in keys)


def byte_kinds(report: Report) -> tuple[str, ...]:
    """Kinds of bytes that occur, the known ones in their fixed order."""
    present = {kind for by_kind in report.bytes_by_kind.values() for kind in by_kind}
    return (*(kind for kind in KINDS if kind in present), *sorted(present - set(KINDS)))


def scored_datasets(report: Report) -> tuple[tuple[str, str], ...]:
    """Every (dataset, metric) that some artifact was scored on, in order of appearance."""
    labels = (label for one in report.manifest.artifacts for label in one.scores.labels)
    return tuple(dict.fromkeys((label.dataset, label.metric) for label in labels))


def operator_counts(report: Report) -> dict[str, dict[str, int]]:
    """Operator -> artifact -> how many, the most frequent operator first."""
    artifacts = report.manifest.artifacts
    names = {name for one in artifacts for name in one.op_counts}
    most = {name: max(one.op_counts.get(name, 0) for one in artifacts) for name in names}
    return {
        name: {one.name: one.op_counts.get(name, 0) for one in artifacts}
        for name in sorted(names, key=lambda name: (-most[name], name))
    }


def headline_latency(report: Report) -> LatencyRow | None:
    """The latency to show first: best evidence, then the budget's length or the longest."""
    name = report.manifest.default.artifact
    rows = [row for row in report.measurements if row.artifact == name]
    strength = list(EVIDENCE_WORDS)
    wanted = report.profile.budget.latency_length
    return min(
        rows,
        key=lambda row: (
            strength.index(row.evidence),
            row.length != wanted,
            -row.length,
            row.median_ms,
        ),
        default=None,
    )


def measured_drifts(report: Report) -> tuple[Artifact, ...]:
    """Artifacts whose drift was measured, without the reference itself."""
    return tuple(
        one
        for one in report.manifest.artifacts
        if one.scores.drift is not None and one.name != "float32"
    )


def nearest_percentile(values: tuple[float, ...], share: float) -> float | None:
    """The nearest-rank percentile: the smallest value with `share` of all at or below it."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
