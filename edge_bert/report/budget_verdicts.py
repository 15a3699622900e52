"""The default artifact against the limits of the profile's budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from edge_bert.budget_text import format_amount, format_limit
from edge_bert.records.base import Record
from edge_bert.records.budget import LimitName, budget_limits, meets_limit
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import LatencyRow, Report
from edge_bert.report.scores import metric_title
from edge_bert.text import format_millijoules, format_milliseconds, format_significant

State = Literal["met", "missed", "not measured"]
Mark = Literal["", "emulated", "modelled"]


class Verdict(Record, frozen=True):
    """One limit of the budget and the figure for it; `mark` flags one that was not measured."""

    item: str
    limit: str
    value: str
    state: State
    mark: Mark = ""
    note: str = ""


class _Figure(Record, frozen=True):
    """What is known for a limit: a value, or None where nothing was measured or modelled."""

    item: str
    value: float | None = None
    mark: Mark = ""
    note: str = ""


def budget_verdicts(report: Report) -> tuple[Verdict, ...]:
    """The default artifact against each limit that the profile sets, in a fixed order."""
    return tuple(
        _judge_figure(name, figure, limit)
        for name, limit in budget_limits(report.profile.budget).items()
        for figure in _FIGURES[name](report)
    )


def _judge_figure(name: LimitName, figure: _Figure, limit: float) -> Verdict:
    state: State = "not measured"
    if figure.value is not None:
        state = "met" if meets_limit(name, figure.value, limit) else "missed"
    return Verdict(
        item=figure.item,
        limit=format_limit(name, limit),
        value="" if figure.value is None else format_amount(name, figure.value),
        state=state,
        mark=figure.mark,
        note=figure.note,
    )


def _size(report: Report) -> Iterable[_Figure]:
    yield _Figure("File size", report.default_artifact.size_bytes)


def _latency(report: Report) -> Iterable[_Figure]:
    item = f"Latency at {report.profile.budget.latency_length} tokens"
    rows = _rows(report)
    if not rows:
        yield _Figure(item)
    elif rows[0].evidence is Evidence.HOST:
        # A build machine says nothing about a phone, so its figure never decides.
        median = format_milliseconds(rows[0].median_ms)
        note = f"{median} on the build machine, which says nothing about {report.profile.title}"
        yield _Figure(item, note=note)
    else:
        row = rows[0]
        low, high = format_significant(row.p5_ms), format_milliseconds(row.p95_ms)
        yield _Figure(item, row.median_ms, _mark(row), f"{_threads(row)}, {low} to {high}")


def _energy(report: Report) -> Iterable[_Figure]:
    item = f"Energy at {report.profile.budget.latency_length} tokens"
    rows = [(row, row.energy) for row in _device_rows(report) if row.energy]
    if not rows:
        yield _Figure(item)
        return
    row, energy = min(rows, key=lambda pair: (pair[1].kind == "modelled", pair[1].mj))
    mark: Mark = "modelled" if energy.kind == "modelled" else ""
    low, high = format_significant(energy.low_mj), format_millijoules(energy.high_mj)
    yield _Figure(item, energy.mj, mark, f"{_threads(row)}, {low} to {high}")


def _peak_memory(report: Report) -> Iterable[_Figure]:
    peaks = [
        (row.run.peak_bytes, _mark(row))
        for row in _device_rows(report)
        if row.run and row.run.peak_bytes
    ]
    yield _Figure("Peak memory", *peaks[0]) if peaks else _Figure("Peak memory")


def _scores(report: Report) -> Iterable[_Figure]:
    labels = report.default_artifact.scores.labels
    if not labels:
        yield _Figure("Score", note="no labelled data")
    # Only the first metric of a data set is what a search goes by, and so what `min_score` means.
    for label in {label.dataset: label for label in reversed(labels)}.values():
        item = f"{metric_title(label.metric)} on {label.dataset}"
        yield _Figure(item, label.value, note=f"{label.count} examples")


_FIGURES: dict[LimitName, Callable[[Report], Iterable[_Figure]]] = {
    "size": _size,
    "latency": _latency,
    "energy": _energy,
    "memory": _peak_memory,
    "score": _scores,
}


def _rows(report: Report) -> list[LatencyRow]:
    """Rows of the default artifact at the budget's length, strongest evidence first."""
    order = [Evidence.DEVICE, Evidence.EMULATED, Evidence.HOST]
    rows = [
        row
        for row in report.measurements
        if row.artifact == report.manifest.default.artifact
        and row.length == report.profile.budget.latency_length
    ]
    return sorted(rows, key=lambda row: (order.index(row.evidence), row.median_ms))


def _device_rows(report: Report) -> list[LatencyRow]:
    return [row for row in _rows(report) if row.evidence is not Evidence.HOST]


def _mark(row: LatencyRow) -> Mark:
    return "emulated" if row.evidence is Evidence.EMULATED else ""


def _threads(row: LatencyRow) -> str:
    return f"{row.threads} thread{'s' if row.threads > 1 else ''}"
