"""Rows of a report, grouped and ordered for readers; machines are never mixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact
from edge_bert.records.measurement import Evidence
from edge_bert.records.metrics import Metric
from edge_bert.records.report import EnergyKind, LatencyRow, MeasuredRun, OperatorRow, Report

REFERENCE = "float32"
KINDS = ("embedding table", "matrices", "biases", "other constants", "graph")
EVIDENCE_WORDS: dict[Evidence, str] = {
    Evidence.DEVICE: "measured on the device",
    Evidence.EMULATED: "emulated, time modelled",
    Evidence.HOST: "measured on the build machine",
}

Row = TypeVar("Row")
Key = TypeVar("Key")


class LatencyGroup(Record, frozen=True):
    """Latencies that may be compared: of one machine, kind of evidence and thread count."""

    evidence: Evidence
    machine: str
    threads: int
    lengths: tuple[int, ...]
    rows: dict[str, dict[int, LatencyRow]]  # artifact -> length -> row

    @property
    def energy_kinds(self) -> tuple[EnergyKind, ...]:
        """The kinds of energy in the rows, measured first."""
        present = {row.energy.kind for row in self.all_rows() if row.energy}
        kinds: tuple[EnergyKind, ...] = ("measured", "modelled")
        return tuple(kind for kind in kinds if kind in present)

    @property
    def scaling(self) -> str:
        """What modelled times are scaled to, in words; empty for nothing."""
        phones = sorted({row.scaled_to for row in self.all_rows()} - {""})
        return f"scaled to {' and '.join(phones)}" if phones else ""

    @property
    def changes(self) -> bool:
        """Whether some row is compared with an earlier run."""
        return any(row.change for row in self.all_rows())

    @property
    def runs(self) -> tuple[tuple[LatencyRow, MeasuredRun], ...]:
        """The rows that were run, with their runs."""
        return tuple((row, row.run) for row in self.all_rows() if row.run)

    def all_rows(self) -> Iterable[LatencyRow]:
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


def _group_rows(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def latency_groups(report: Report) -> tuple[LatencyGroup, ...]:
    """Device first, then emulated, then host; fewer threads first."""
    strength = list(EVIDENCE_WORDS)
    groups = _group_rows(report.measurements, lambda row: (row.evidence, row.machine, row.threads))
    keys = sorted(groups, key=lambda key: (strength.index(key[0]), key[1], key[2]))
    return tuple(_latency_group(report, *key, groups[key]) for key in keys)


def _latency_group(
    report: Report, evidence: Evidence, machine: str, threads: int, rows: list[LatencyRow]
) -> LatencyGroup:
    by_artifact = _group_rows(rows, lambda row: row.artifact)
    names = [item.name for item in report.manifest.artifacts if item.name in by_artifact]
    return LatencyGroup(
        evidence=evidence,
        machine=machine,
        threads=threads,
        lengths=tuple(sorted({row.length for row in rows})),
        rows={name: {row.length: row for row in by_artifact[name]} for name in names},
    )


def operator_groups(report: Report) -> tuple[OperatorGroup, ...]:
    """The default artifact first, then the order of the manifest; longest signature first."""
    names = [artifact.name for artifact in report.manifest.artifacts]
    names.sort(key=lambda name: name != report.manifest.default.artifact)
    groups = _group_rows(
        report.operators, lambda row: (row.artifact, row.length, row.evidence, row.machine)
    )
    keys = sorted(groups, key=lambda key: (names.index(key[0]), -key[1], key[2].value, key[3]))
    slowest = {key: sorted(groups[key], key=lambda row: -row.total_ms) for key in keys}
    return tuple(OperatorGroup(*key, tuple(slowest[key])) for key in keys)


def byte_kinds(report: Report) -> tuple[str, ...]:
    """Kinds of bytes that occur, those of KINDS first and in its order."""
    present = {kind for by_kind in report.bytes_by_kind.values() for kind in by_kind}
    return (*(kind for kind in KINDS if kind in present), *sorted(present - set(KINDS)))


def scored_datasets(report: Report) -> tuple[tuple[str, Metric], ...]:
    """The (dataset, metric) pairs of all scores, in order of appearance."""
    labels = (label for artifact in report.manifest.artifacts for label in artifact.scores.labels)
    return tuple(dict.fromkeys((label.dataset, label.metric) for label in labels))


def operator_counts(report: Report) -> dict[str, dict[str, int]]:
    """Counts by operator and artifact, the most frequent operator first."""
    artifacts = report.manifest.artifacts
    names = {name for artifact in artifacts for name in artifact.op_counts}
    counts = {
        name: {artifact.name: artifact.op_counts.get(name, 0) for artifact in artifacts}
        for name in names
    }
    return dict(sorted(counts.items(), key=lambda item: (-max(item[1].values()), item[0])))


def headline_latency(report: Report) -> LatencyRow | None:
    """The latency for the headline: strongest evidence, then the budget's length or the longest."""
    name = report.manifest.default.artifact
    rows = [row for row in report.measurements if row.artifact == name]
    strength = list(EVIDENCE_WORDS)
    budget_length = report.profile.budget.latency_length
    return min(
        rows,
        key=lambda row: (
            strength.index(row.evidence),
            row.length != budget_length,
            -row.length,
            row.median_ms,
        ),
        default=None,
    )


def measured_drifts(report: Report) -> tuple[Artifact, ...]:
    """Artifacts whose drift was measured, without the reference itself."""
    return tuple(
        artifact
        for artifact in report.manifest.artifacts
        if artifact.scores.drift is not None and artifact.name != REFERENCE
    )


def nearest_percentile(values: tuple[float, ...], share: float) -> float | None:
    """The nearest-rank percentile: the smallest value with `share` of all at or below it."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
