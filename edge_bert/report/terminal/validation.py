"""Predictions beside published times, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_bert.records.validation import ErrorSummary, Prediction, SpeedupError, Validation
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import format_significant

if TYPE_CHECKING:
    from rich.console import Console

HEAD = ("device", "network", "input", "precision", "threads", "predicted ms", "low to high ms")


def print_validation(validation: Validation, console: Console) -> None:
    """Every row, then the errors, those of one thread and of several apart."""
    print_line(
        console, "predicted: instructions counted under emulation, time MODELLED; nothing fitted"
    )
    if any(row.published.kernels == "older" for row in validation.predictions):
        print_line(console, "older kernels: times what they took of XNNPACK's on other phones")
    head = (*HEAD, "published ms", "ratio")
    print_table(console, head, [_cells(row) for row in validation.predictions])
    for threads, summary in (
        ("one thread", validation.single),
        ("several threads", validation.several),
    ):
        if summary is not None:
            print_line(console, f"{threads}: {_errors(summary)}")
    for group, summary in validation.groups.items():
        print_line(console, f"{group}: {_errors(summary)}")
    print_line(console, "int8 time over float time:")
    columns = ("device", "network", "threads", "predicted", "published", "error")
    print_table(console, columns, [_speedup(row) for row in validation.speedups])


def _cells(row: Prediction) -> tuple[str, ...]:
    published = row.published
    return (
        published.device,
        published.model,
        str(published.input),
        published.precision,
        str(published.threads),
        format_significant(row.ms),
        f"{format_significant(row.low_ms)} to {format_significant(row.high_ms)}",
        format_significant(published.ms),
        f"{row.ratio:.2f}",
    )


def _errors(summary: ErrorSummary) -> str:
    return (
        f"{summary.count} rows, median absolute error {summary.median:.1%}, worst "
        f"{summary.worst:.1%}, published time within the bounds in {summary.inside_bounds}"
    )


def _speedup(row: SpeedupError) -> tuple[str, ...]:
    return (
        row.device,
        row.model,
        str(row.threads),
        f"{row.predicted:.2f}",
        f"{row.published:.2f}",
        f"{row.error:.1%}",
    )
