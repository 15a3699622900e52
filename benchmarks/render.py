"""A comparison for people, and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.records import Comparison, PeerRow, Timing
from edge_bert.measure.statistics import summarize_times
from edge_bert.records.latency import LatencySummary
from edge_bert.text import (
    NOT_KNOWN,
    byte_size,
    format_cosine,
    format_points,
    format_significant,
    make_printable,
)

if TYPE_CHECKING:
    from rich.console import Console

QUIET_CORES = 0.1


class _Row(msgspec.Struct, frozen=True):
    """A row in words: a cell for each column, or `fault` in the place of all."""

    title: str
    cells: tuple[str, ...]
    fault: str = ""


def to_json(comparison: Comparison) -> bytes:
    """Everything as indented JSON: raw times, and beside each their statistics as `summary`."""
    document: dict[str, Any] = msgspec.to_builtins(comparison)
    for row, written in zip(comparison.rows, document["rows"], strict=True):
        for timing, entry in zip(row.timings, written["timings"], strict=True):
            entry["summary"] = msgspec.to_builtins(summarize_times(timing.runs_us))
    packed = msgspec.json.encode(document, order="deterministic")
    return msgspec.json.format(packed, indent=2) + b"\n"


def render(comparison: Comparison, console: Console) -> None:
    """Print the comparison: a table on a terminal, one plain line per peer elsewhere."""
    for line in _preface(comparison):
        _say(console, line)
    head, rows = _head(comparison), [_words(comparison, row) for row in comparison.rows]
    show = _show_table if console.is_terminal else _show_lines
    show(console, head, rows)
    for row in comparison.rows:
        if row.status == "ran":
            version = f" {row.runtime.version}" if row.runtime else ""
            _say(console, f"{row.title}{version}: {row.given}")
    for line in _warnings(comparison):
        _say(console, f"warning: {line}")


def table(comparison: Comparison) -> list[list[str]]:
    """The comparison as rows of text, the head first; a peer that did not run has one cell."""
    rows = [_words(comparison, row) for row in comparison.rows]
    written = [[row.title, row.fault] if row.fault else [row.title, *row.cells] for row in rows]
    return [["peer", *_head(comparison)], *written]


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
    return [*times, "size", "cosine mean", "min", *(f"{each} ×100" for each in sorted(scores))]


def _tokens(comparison: Comparison) -> list[int]:
    return sorted({timing.tokens for row in comparison.rows for timing in row.timings})


def _words(comparison: Comparison, row: PeerRow) -> _Row:
    if row.status != "ran":
        return _Row(row.title, (), f"{row.status}: {row.detail}")
    by_tokens = {timing.tokens: timing for timing in row.timings}
    times = [_time(by_tokens.get(tokens)) for tokens in _tokens(comparison)]
    size = NOT_KNOWN if row.size_bytes is None else byte_size(row.size_bytes)
    drift = row.drift
    cosines = (
        (format_cosine(drift.cosine_mean), format_cosine(drift.cosine_min))
        if drift
        else (NOT_KNOWN,) * 2
    )
    scores = [format_points(row.score.value)] if row.score else []
    return _Row(row.title, (*times, size, *cosines, *scores))


def _time(timing: Timing | None) -> str:
    if timing is None:
        return NOT_KNOWN
    found: LatencySummary = summarize_times(timing.runs_us)
    low, high = format_significant(found.p5_us / 1000), format_significant(found.p95_us / 1000)
    return f"{format_significant(found.median_us / 1000)} ({low} to {high})"


def _warnings(comparison: Comparison) -> list[str]:
    found = []
    busy = comparison.other_cores
    if busy is None:
        found.append("this system does not tell whether others used it meanwhile")
    elif busy > QUIET_CORES:
        found.append(
            f"other programs kept {busy:.2f} cores busy meanwhile; do not publish these times, "
            "repeat on a quiet machine"
        )
    if comparison.cpu is None:
        found.append("this system cannot pin a process to a core; times may wander")
    return found


def _sayable(console: Console, text: str) -> str:
    """`text` without what would break the terminal or what its encoding lacks."""
    return make_printable(text).encode(console.encoding, "replace").decode(console.encoding)


def _say(console: Console, line: str) -> None:
    console.print(_sayable(console, line), markup=False, highlight=False, soft_wrap=True)


def _show_lines(console: Console, head: list[str], rows: list[_Row]) -> None:
    for row in rows:
        facts = [f"{name} {cell}" for name, cell in zip(head, row.cells, strict=False)]
        _say(console, f"{row.title}: {row.fault or ', '.join(facts)}")


def _show_table(console: Console, head: list[str], rows: list[_Row]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text(_sayable(console, text))

    shown = Table(box=box.SIMPLE_HEAD)
    for place, name in enumerate(["peer", *head]):
        shown.add_column(cell(name), justify="right" if place else "left")
    for row in rows:
        shown.add_row(*(cell(text) for text in (row.title, *row.cells)))
    console.print(shown)
    for row in rows:
        if row.fault:
            _say(console, f"{row.title}: {row.fault}")
