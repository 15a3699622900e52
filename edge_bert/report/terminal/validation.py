"""Predictions beside published times, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_bert.records.validation import ErrorSummary, Prediction, SpeedupError, Validation
from edge_bert.report.terminal.tables import print_table
from edge_bert.text import format_significant

if TYPE_CHECKING:
    from rich.console import Console

HEAD = ("device", "network", "input", "precision", "threads", "predicted ms", "low to high ms")


def print_validation(found: Validation, console: Console) -> None:
    """Every row, then the distribution of errors, rows of several threads apart."""
    console.print("predicted: instructions counted under emulation, time MODELLED; nothing fitted")
    head = (*HEAD, "published ms", "ratio")
    print_table(console, head, [_cells(each) for each in found.predictions])
    for words, summary in (("one thread", found.single), ("several threads", found.several)):
        if summary is not None:
            console.print(f"{words}: {_errors(summary)}", highlight=False, soft_wrap=True)
    console.print("int8 time over float time:", highlight=False)
    columns = ("device", "network", "threads", "predicted", "published", "error")
    print_table(console, columns, [_speedup(each) for each in found.speedups])


def _cells(each: Prediction) -> tuple[str, ...]:
    row = each.published
    return (
        row.device,
        row.model,
        str(row.input),
        row.precision,
        str(row.threads),
        format_significant(each.ms),
        f"{format_significant(each.low_ms)} to {format_significant(each.high_ms)}",
        format_significant(row.ms),
        f"{each.ratio:.2f}",
    )


def _errors(summary: ErrorSummary) -> str:
    return (
        f"{summary.count} rows, median absolute error {summary.median:.1%}, worst "
        f"{summary.worst:.1%}, published time within the bounds in {summary.inside_bounds}"
    )


def _speedup(each: SpeedupError) -> tuple[str, ...]:
    return (
        each.device,
        each.model,
        str(each.threads),
        f"{each.predicted:.2f}",
        f"{each.published:.2f}",
        f"{each.error:.1%}",
    )
