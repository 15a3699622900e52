"""The outcome of a search on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.candidate import Constraint, Evaluated, SearchResult
from edge_bert.report.candidates import describe_scaling, title_of
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import NOT_KNOWN, byte_size, format_millijoules, format_milliseconds

if TYPE_CHECKING:
    from rich.console import Console

CONSTRAINT_WORDS = {
    Constraint.SIZE: "computed size",
    Constraint.BOUND: "a computed lower bound",
    Constraint.BUILD: "a failed build",
    Constraint.SCORE: "score",
    Constraint.COST: "counted cost",
}
HEAD = ("candidate", "recipe", "score", "size", "latency*", "energy*", "budget")


def print_search(result: SearchResult, console: Console) -> None:
    """The Pareto front, or the candidates nearest to the budget, each with the reason."""
    rows = result.front if result.chosen else result.nearest
    print_table(console, HEAD, [_row(item) for item in _smallest_first(rows)])
    print_line(console, f"* MODELLED from counted instructions{describe_scaling(rows)}")
    if not result.chosen:
        print_line(console, _dropped(result))


def _dropped(result: SearchResult) -> str:
    """How many candidates were dropped by which constraint."""
    counts = Counter(item.constraint for item in (*result.dropped, *result.evaluated))
    texts = [f"{counts[key]} by {CONSTRAINT_WORDS[key]}" for key in Constraint if counts[key]]
    return f"dropped: {', '.join(texts)}; --json has the reason of each"


def _smallest_first(rows: Sequence[Evaluated]) -> list[Evaluated]:
    return sorted(rows, key=lambda item: item.cost.size_bytes)


def _row(item: Evaluated) -> tuple[str, ...]:
    cost = item.cost
    return (
        title_of(item.candidate),
        item.candidate.recipe,
        NOT_KNOWN if item.score is None else f"{item.score:.4f}",
        byte_size(cost.size_bytes),
        format_milliseconds(cost.latency_ms) if cost.latency_ms else NOT_KNOWN,
        format_millijoules(cost.energy_mj) if cost.energy_mj else NOT_KNOWN,
        item.rejected or "met",
    )
