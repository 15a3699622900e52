"""The outcome of `build` on a terminal, or as plain lines in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from edge_bert.records.bundle import Artifact, LabelScore
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import EnergyKind, LatencyRow, Report
from edge_bert.report import tables
from edge_bert.report.budget_verdicts import budget_verdicts
from edge_bert.report.exit_words import EXITS_HEAD, exit_cells, exit_title, list_exit_scores
from edge_bert.report.expected import (
    EXPECTED_HEAD,
    describe_length_choice,
    expect_costs,
    expected_cells,
)
from edge_bert.report.fitness import describe_whole, find_warnings, reference_score, whole_score
from edge_bert.report.headline import write_headline
from edge_bert.report.played import PLAYED_HEAD, group_played, played_cells
from edge_bert.report.scores import METRIC_WORDS, format_change, format_score
from edge_bert.report.terminal.tables import fit_console, print_line
from edge_bert.report.token_words import describe_cuts
from edge_bert.text import (
    NOT_KNOWN,
    byte_size,
    format_cosine,
    format_significant,
)

if TYPE_CHECKING:
    from rich.box import Box
    from rich.console import Console

Rows = list[list[str]]

LEVEL_COLOURS = {"good": "green", "open": "yellow", "bad": "red"}
CHECK_WORDS = {"passed": "ran", "failed": "FAILED", "not run": "NOT RUN"}


def print_build(report: Report, console: Console) -> None:
    """Print the artifacts, their figures, warnings and the default.

    On a terminal as tables in colour; elsewhere as plain lines, one fact each, never wrapped.
    """
    show = _show_table if console.is_terminal else _show_lines
    print_line(console, f"{report.manifest.model.name} for {report.profile.title}", "bold")
    show(console, "Artifacts", _artifact_head(report), _artifact_rows(report))
    for group in tables.latency_groups(report):
        show(console, _latency_title(group), *_table_of(group, _latency))
        for kind in group.energy_kinds:
            title = f"Energy of one inference in mJ, {kind}, {_machine(group)}"
            show(console, title, *_table_of(group, _energy_of(kind)))
        expected = [expected_cells(cost) for cost in expect_costs(report.manifest, group)]
        if expected:
            show(
                console, f"Expected for one text, {_machine(group)}", list(EXPECTED_HEAD), expected
            )
    for name, scores in list_exit_scores(report.manifest):
        show(console, f"Exits, {exit_title(name, scores)}", list(EXITS_HEAD), exit_cells(scores))
    for _, machine, rows in group_played(report.played):
        cells = [played_cells(row, rows) for row in rows]
        show(console, f"Data sets, {machine}", list(PLAYED_HEAD), cells)
    verdicts = _verdict_rows(report)
    if verdicts:
        show(console, "Budget", ["limit", "allowed", "value", "verdict"], verdicts)
    for recipe in report.manifest.skipped:
        print_line(console, f"skipped: {recipe.name}: {recipe.reason}", "yellow")
    for line in (
        describe_cuts(report.manifest.cuts),
        describe_whole(report),
        describe_length_choice(report.manifest),
    ):
        if line is not None:
            print_line(console, line)
    for warning in report.manifest.model.warnings:
        print_line(console, f"warning: model: {warning}", "yellow")
    for warning in report.manifest.calibration.warnings:
        print_line(console, f"warning: calibration: {warning}", "red")
    for item in find_warnings(report):
        style = "yellow" if item.is_caution else "red"
        print_line(console, f"warning: {item.artifact}: {item.text}", style)
    headline = write_headline(report)
    file, reason = report.default_artifact.file, report.manifest.default.reason
    print_line(console, f"default: {file}, because {reason}", "bold")
    print_line(console, headline.text, LEVEL_COLOURS[headline.level])


def _show_table(console: Console, title: str, head: list[str], rows: Rows) -> None:
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text(fit_console(console, text))

    table = Table(title=cell(title), title_justify="left", box=_box())
    for index, name in enumerate(head):
        table.add_column(cell(name), justify="right" if index else "left")
    for row in rows:
        table.add_row(*(cell(text) for text in row))
    console.print(table)


def _box() -> Box:
    from rich import box

    return box.SIMPLE_HEAD


def _show_lines(console: Console, title: str, head: list[str], rows: Rows) -> None:
    for label, *cells in rows:
        facts = ", ".join(f"{name} {cell}" for name, cell in zip(head[1:], cells, strict=True))
        print_line(console, f"{title}: {label}: {facts}", "none")


def _artifact_head(report: Report) -> list[str]:
    scores = [
        f"{METRIC_WORDS[metric]} {dataset}" for dataset, metric in tables.scored_datasets(report)
    ]
    columns = ["artifact", "size", "integer only", "runtime check", "cosine mean", "min"]
    return [*columns, *scores, "needs"]


def _artifact_rows(report: Report) -> Rows:
    return [
        [
            artifact.name,
            byte_size(artifact.size_bytes),
            "yes" if artifact.integer_only else "no",
            f"{CHECK_WORDS[artifact.runtime_check.status]} on {artifact.runtime_check.runtime}",
            *_drift(artifact),
            *_scores(report, artifact),
            artifact.min_runtime,
        ]
        for artifact in report.manifest.artifacts
    ]


def _drift(artifact: Artifact) -> tuple[str, str]:
    drift = artifact.scores.drift
    return (
        (format_cosine(drift.cosine_mean), format_cosine(drift.cosine_min))
        if drift
        else (NOT_KNOWN,) * 2
    )


def _scores(report: Report, artifact: Artifact) -> Iterable[str]:
    for dataset, metric in tables.scored_datasets(report):
        labels = (
            label
            for label in artifact.scores.labels
            if (label.dataset, label.metric) == (dataset, metric)
        )
        label = next(labels, None)
        if label is None:
            yield NOT_KNOWN
        else:
            yield _score_cell(report, label)


def _score_cell(report: Report, label: LabelScore) -> str:
    """A score with its difference to float32, and to the whole model of a smaller one."""
    references = {"": reference_score(report, label), "whole ": whole_score(report, label)}
    changes = [
        f"{words}{format_change(label, reference)}"
        for words, reference in references.items()
        if reference is not None
    ]
    return f"{format_score(label)} ({'; '.join(changes)})" if changes else format_score(label)


def _latency_title(group: tables.LatencyGroup) -> str:
    evidence = tables.EVIDENCE_WORDS[group.evidence]
    middle = "Modelled" if group.evidence is Evidence.EMULATED else "Median"
    return f"{middle} latency in ms, {evidence}, {_machine(group)}"


def _machine(group: tables.LatencyGroup) -> str:
    threads = f"{group.threads} thread{'s' if group.threads > 1 else ''}"
    return f"{group.machine}, {threads}" if group.machine else threads


def _table_of(
    group: tables.LatencyGroup, cell: Callable[[LatencyRow], str]
) -> tuple[list[str], Rows]:
    head = ["artifact", *(f"{length} tokens" for length in group.lengths)]
    rows = [
        [name, *(cell(rows[length]) if length in rows else NOT_KNOWN for length in group.lengths)]
        for name, rows in group.rows.items()
    ]
    return head, rows


def _latency(row: LatencyRow) -> str:
    median, low, high = map(format_significant, (row.median_ms, row.p5_ms, row.p95_ms))
    return f"{median} ({low} to {high})"


def _energy_of(kind: EnergyKind) -> Callable[[LatencyRow], str]:
    def cell(row: LatencyRow) -> str:
        energy = row.energy
        if energy is None or energy.kind != kind:
            return NOT_KNOWN
        low, high = format_significant(energy.low_mj), format_significant(energy.high_mj)
        return (
            f"{low} to {high}"
            if kind == "modelled"
            else f"{format_significant(energy.mj)} ({low} to {high})"
        )

    return cell


def _verdict_rows(report: Report) -> Rows:
    return [
        [
            verdict.item,
            verdict.limit,
            (verdict.value or NOT_KNOWN) + (f" ({verdict.mark.upper()})" if verdict.mark else ""),
            verdict.state,
        ]
        for verdict in budget_verdicts(report)
    ]
