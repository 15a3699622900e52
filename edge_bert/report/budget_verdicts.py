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

STRONGEST_FIRST = (Evidence.DEVICE, Evidence.EMULATED, Evidence.HOST)
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
    rows = choose_rows(report)
    if not rows:
        yield _Figure(item, note=_explain_absence(report))
        return
    row = max(rows, key=_worst)
    if row.evidence is Evidence.HOST:
        # A build machine says nothing about a phone, so its figure never decides.
        median = format_milliseconds(row.median_ms)
        note = f"{median} on the build machine, which says nothing about {report.profile.title}"
        yield _Figure(item, note=note)
        return
    low, high = format_significant(row.p5_ms), format_milliseconds(row.p95_ms)
    runs = sum(other.runs for other in rows)
    worst = f", the worst of {runs} runs" if runs > 1 else ""
    note = f"1 thread, {low} to {high}{worst}{_scaled(row)}"
    yield _Figure(item, _worst(row), _mark(row), note)


def _energy(report: Report) -> Iterable[_Figure]:
    item = f"Energy at {report.profile.budget.latency_length} tokens"
    every = (Evidence.DEVICE, Evidence.EMULATED)
    rows = [(row, row.energy) for kind in every for row in choose_rows(report, kind) if row.energy]
    if not rows:
        yield _Figure(item)
        return
    row, energy = max(rows, key=lambda pair: (pair[1].kind == "measured", pair[1].mj))
    mark: Mark = "modelled" if energy.kind == "modelled" else ""
    low, high = format_significant(energy.low_mj), format_millijoules(energy.high_mj)
    yield _Figure(item, energy.mj, mark, f"1 thread, {low} to {high}{_scaled(row)}")


def _peak_memory(report: Report) -> Iterable[_Figure]:
    peaks = [
        row.run.peak_bytes
        for row in choose_rows(report, Evidence.DEVICE)
        if row.run and row.run.peak_bytes
    ]
    yield _Figure("Peak memory", max(peaks)) if peaks else _Figure("Peak memory")


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


def choose_rows(report: Report, evidence: Evidence | None = None) -> list[LatencyRow]:
    """The rows that a budget speaks of, of one kind of evidence (default: the strongest there).

    A budget is for the default artifact at the budget's length, one thread of the fastest core of
    the profile's device, asked again and again.
    """
    rows = [row for row in _rows_of_length(report) if row.threads == 1 and not row.pace]
    rows = [row for row in rows if row.fastest is not False and row.of_profile is not False]
    for kind in (evidence,) if evidence else STRONGEST_FIRST:
        chosen = [row for row in rows if row.evidence is kind]
        if kind is Evidence.DEVICE:
            chosen = _of_one_device(chosen, report.profile.title)
        # Where a run was bound to the fastest core, one that was left to the system is no match.
        bound = [row for row in chosen if row.fastest]
        if chosen:
            return bound or chosen
    return []


def _rows_of_length(report: Report) -> list[LatencyRow]:
    name, length = report.manifest.default.artifact, report.profile.budget.latency_length
    return [row for row in report.measurements if (row.artifact, row.length) == (name, length)]


def _of_one_device(rows: list[LatencyRow], title: str) -> list[LatencyRow]:
    """Rows of phones of the profile; of several that nobody checked, those that bear its name."""
    checked = [row for row in rows if row.of_profile]
    if checked or len({row.machine for row in rows}) < 2:
        return checked or rows
    word = title.casefold()
    return [row for row in rows if word in row.machine.casefold()]


def _explain_absence(report: Report) -> str:
    """Why figures that there are do not count; empty where there are none."""
    rows = [row for row in _rows_of_length(report) if row.evidence is Evidence.DEVICE]
    if not rows:
        return ""
    if all(row.threads > 1 for row in rows):
        return "measured with several threads only; the budget is for one"
    return f"no figure is of the fastest core of one {report.profile.title}"


def _worst(row: LatencyRow) -> float:
    return row.worst_ms or row.median_ms


def _scaled(row: LatencyRow) -> str:
    return f", scaled to {row.scaled_to}" if row.scaled_to else ""


def _mark(row: LatencyRow) -> Mark:
    return "emulated" if row.evidence is Evidence.EMULATED else ""
