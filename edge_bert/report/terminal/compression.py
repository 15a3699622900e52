"""What each step of a plan gave and cost, on a terminal."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from edge_bert.records.plan import Compression
from edge_bert.report.plan_words import describe_basis, list_figures, summarize_compression
from edge_bert.report.terminal.tables import print_line, print_table

if TYPE_CHECKING:
    from rich.console import Console


def print_compression(compression: Compression, console: Console) -> None:
    """A row for the source and each step, each figure with its change, and what they are of."""
    figures = list_figures(compression.effects)
    rows = [
        (after.name, *(figure.describe_change(before, after) for figure in figures))
        for before, after in [(None, compression.source), *pairwise(compression.effects)]
    ]
    print_table(console, ("model", *(figure.title for figure in figures)), rows)
    for sentence in (summarize_compression(compression), describe_basis(compression)):
        print_line(console, sentence)
