"""What each step of a plan gave and cost, on a terminal."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from edge_bert.records.plan import BuiltEnd, Compression, TrainingMatrix
from edge_bert.report.chain_words import (
    COST_HEAD,
    TEXT_HEAD,
    describe_whole,
    list_costs,
    list_texts,
    tell_end,
)
from edge_bert.report.outcome_words import list_outcomes, list_titles, summarize_outcomes
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
    sentences = (
        summarize_compression(compression),
        describe_whole(compression),
        describe_basis(compression),
        *tell_end(compression),
    )
    for sentence in filter(None, sentences):
        print_line(console, sentence)
    _print_end(compression.built, console)


def _print_end(built: BuiltEnd | None, console: Console) -> None:
    """What the bundle's file costs in each bucket, and in expectation over the texts."""
    if built and built.costs:
        print_table(console, COST_HEAD, list_costs(built))
    if built and built.expected:
        print_table(console, TEXT_HEAD, list_texts(built))


def print_outcomes(matrix: TrainingMatrix, console: Console) -> None:
    """A row for each run: its last model's figures, or why there is none."""
    head = ("model", "plan", *list_titles(matrix), "folder, or why it failed")
    rows = [
        (run.model, run.plan_name, *cells, run.reason or run.name)
        for run, cells in list_outcomes(matrix)
    ]
    print_table(console, head, rows)
    print_line(console, summarize_outcomes(matrix))
