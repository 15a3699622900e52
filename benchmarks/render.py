"""A comparison for people, and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.records import Comparison, PeerRow, Timing
from edge_bert.measure.statistics import summarize_times
from edge_bert.records.latency import LatencySummary
from edge_bert.report.terminal.tables import fit_console
from edge_bert.text import (
    NOT_KNOWN,
    byte_size,
    format_cosine,
    format_points,
    format_significant,
)

if TYPE_CHECKING:
    from rich.console import Console

QUIET_CORES = 0.1


class _Row(msgspec.Struct, frozen=True):
    """A row in words: a cell for each column, or `fault` in the place of all."""

    title: str
    cells: tuple[str, ...]
    fault: str = ""


def encode_comparison(comparison: Comparison) -> bytes:
    """Everything as indented JSON: raw times, and beside each their statistics as `summary`."""
    document: dict[str, Any] = msgspec.to_builtins(comparison)
    for row, document_row in zip(comparison.rows, document["rows"], strict=True):
        for timing, entry in zip(row.timings, document_row["timings"], strict=True):
            entry["summary"] = msgspec.to_builtins(summarize_times(timing.runs_us))
    packed = msgspec.json.encode(document, order="deterministic")
    return msgspec.json.format(packed, indent=2) + b"\n"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the comparison: a table on a terminal, one plain line per peer elsewhere."""
    for sentence in _preface(comparison):
        _say(console, sentence)
    head, rows = _head(comparison), [_format_row(comparison, row) for row in comparison.rows]
    show = _show_table if console.is_terminal else _show_lines
    show(console, head, rows)
    for row in comparison.rows:
        if row.status == "ran":
            version = f" {row.runtime.version}" if row.runtime else ""
            _say(console, f"{row.title}{version}: {row.given}")
    for warning in _warnings(comparison):
        _say(console, f"warning: {warning}")


def build_table(comparison: Comparison) -> list[list[str]]:
    """The comparison as rows of text, the head first; a peer that did not run has one cell."""
    rows = [_format_row(comparison, row) for row in comparison.rows]
    cells = [[row.title, row.fault] if row.fault else [row.title, *row.cells] for row in rows]
    return [["peer", *_head(comparison)], *cells]


def _preface(comparison: Comparison) -> list[str]:
    machine = comparison.machine
    pinned = "not pinned" if comparison.cpu is None else f"pinned to CPU {comparison.cpu}"
    return [
        f"{comparison.model.name}, one thread each, {comparison.started_at}",
        f"{machine.properties.get('cpu', machine.abi)}, {machine.cores} cores, {machine.system}; "
        f"{pinned}; {comparison.rounds} interleaved rounds of {comparison.repetitions} runs",
        "time: from arrays of token ids to the finished output, median (p5 to p95) in ms; "
        f"cosine: to {comparison.reference or 'nothing, no float32 peer ran'}, held-out sentences",
    ]


def _head(comparison: Comparison) -> list[str]:
    times = [f"{tokens} tokens" for tokens in _tokens(comparison)]
    scores = {row.score.metric for row in comparison.rows if row.score}
    return [*times, "size", "cosine mean", "min", *(f"{metric} ×100" for metric in sorted(scores))]


def _tokens(comparison: Comparison) -> list[int]:
    return sorted({timing.tokens for row in comparison.rows for timing in row.timings})


def _format_row(comparison: Comparison, row: PeerRow) -> _Row:
    if row.status != "ran":
        return _Row(row.title, (), f"{row.status}: {row.detail}")
    by_tokens = {timing.tokens: timing for timing in row.timings}
    times = [_format_time(by_tokens.get(tokens)) for tokens in _tokens(comparison)]
    size = NOT_KNOWN if row.size_bytes is None else byte_size(row.size_bytes)
    drift = row.drift
    cosines = (
        (format_cosine(drift.cosine_mean), format_cosine(drift.cosine_min))
        if drift
        else (NOT_KNOWN,) * 2
    )
    scores = [format_points(row.score.value)] if row.score else []
    return _Row(row.title, (*times, size, *cosines, *scores))


def _format_time(timing: Timing | None) -> str:
    if timing is None:
        return NOT_KNOWN
    times: LatencySummary = summarize_times(timing.runs_us)
    low, high = format_significant(times.p5_us / 1000), format_significant(times.p95_us / 1000)
    return f"{format_significant(times.median_us / 1000)} ({low} to {high})"


def _warnings(comparison: Comparison) -> list[str]:
    warnings = []
    busy = comparison.other_cores
    if busy is None:
        warnings.append("this system does not tell whether others used it meanwhile")
    elif busy > QUIET_CORES:
        warnings.append(
            f"other programs kept {busy:.2f} cores busy meanwhile; do not publish these times, "
            "repeat on a quiet machine"
        )
    if comparison.cpu is None:
        warnings.append("this system cannot pin a process to a core; times may wander")
    return warnings


def _say(console: Console, text: str) -> None:
    console.print(fit_console(console, text), markup=False, highlight=False, soft_wrap=True)


def _show_lines(console: Console, head: list[str], rows: list[_Row]) -> None:
    for row in rows:
        facts = [f"{name} {cell}" for name, cell in zip(head, row.cells, strict=False)]
        _say(console, f"{row.title}: {row.fault or ', '.join(facts)}")


def _show_table(console: Console, head: list[str], rows: list[_Row]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text(fit_console(console, text))

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(cell("peer"))
    for name in head:
        table.add_column(cell(name), justify="right")
    for row in rows:
        table.add_row(*(cell(text) for text in (row.title, *row.cells)))
    console.print(table)
    for row in rows:
        if row.fault:
            _say(console, f"{row.title}: {row.fault}")
