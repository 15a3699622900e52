"""The outcome of `matrix` on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_bert.records.matrix import MatrixCell, MatrixReport
from edge_bert.report.matrix_words import (
    energy_mark,
    energy_text,
    latency_mark,
    latency_text,
    score_text,
    state_of,
    summarize_matrix,
)
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import NOT_KNOWN, byte_size

if TYPE_CHECKING:
    from rich.console import Console

HEAD = ("profile", "model", "file", "size", "score", "latency", "energy", "budget")


def print_matrix(report: MatrixReport, console: Console) -> None:
    """One row for each cell, then the sentence that sums up."""
    print_table(console, HEAD, [_row(cell) for cell in report.cells])
    print_line(console, summarize_matrix(report))


def _row(cell: MatrixCell) -> tuple[str, ...]:
    state, built = state_of(cell), cell.built
    verdict = f"{state.words}: {state.note}" if state.note else state.words
    if built is None:
        return (cell.profile, cell.model, *[NOT_KNOWN] * 5, verdict)
    return (
        cell.profile,
        cell.model,
        built.artifact,
        byte_size(built.size_bytes),
        score_text(built) or NOT_KNOWN,
        f"{latency_text(built)} {latency_mark(built)}".strip() or NOT_KNOWN,
        f"{energy_text(built)} {energy_mark(built)}".strip() or NOT_KNOWN,
        verdict,
    )
