"""Candidates of a search in words, the same in the table, the plots and on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from edge_bert.records.candidate import Candidate, Evaluated, SearchResult

CHOSEN, FRONT, WITHIN, OVER = "chosen", "Pareto front", "within the budget", "over the budget"
STATES = (CHOSEN, FRONT, WITHIN, OVER)


def state_of(item: Evaluated, result: SearchResult) -> str:
    """One of STATES. Where nothing meets the budget, the Pareto front is of candidates over it."""
    if item == result.chosen:
        return CHOSEN
    if item in result.front:
        return FRONT
    return OVER if item.rejected else WITHIN


def title_of(candidate: Candidate) -> str:
    """The remaining encoder and its number formats on one line."""
    structure = candidate.structure
    return ", ".join(
        (
            f"layers {format_ranges(structure.layers)}",
            f"{format_counts(structure.ffn)} neurons",
            f"{format_counts(structure.heads)} heads",
            f"{structure.vocabulary} tokens",
            f"matrices {format_counts(candidate.matrix_bits)} bits",
            f"table {candidate.embedding_bits} bits",
        )
    )


def describe_scaling(items: Iterable[Evaluated]) -> str:
    """Which measured phones the latencies of candidates are scaled to; empty for none."""
    phones = sorted({item.cost.scaled_to for item in items} - {""})
    return f", scaled to {' and '.join(phones)}" if phones else ""


def format_ranges(numbers: tuple[int, ...]) -> str:
    """Rising numbers, runs as ranges: `0-2 5`."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ]
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def format_counts(numbers: tuple[int, ...]) -> str:
    """One number where all are equal, else all of them."""
    return str(numbers[0]) if len(set(numbers)) == 1 else "/".join(map(str, numbers))
