"""What a search found, on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.candidate import Evaluated, Gate, SearchResult
from edge_bert.report.candidates import title_of
from edge_bert.report.terminal.tables import print_table
from edge_bert.text import NOT_KNOWN, byte_size, format_milliseconds, format_significant

if TYPE_CHECKING:
    from rich.console import Console

WHY = {
    Gate.SIZE: "their computed size",
    Gate.BOUND: "the least that they can take, computed",
    Gate.BUILD: "their build",
    Gate.SCORE: "their score",
    Gate.COST: "what they take, counted",
}
HEAD = ("candidate", "recipe", "score", "size", "latency*", "energy*", "budget")


def print_search(found: SearchResult, console: Console) -> None:
    """The front, or the candidates that miss the budget by least, each with the reason."""
    rows = found.front if found.chosen else found.nearest
    print_table(console, HEAD, [_row(each) for each in _smallest_first(rows)])
    console.print("* MODELLED from counted instructions", highlight=False)
    if not found.chosen:
        console.print(_dropped(found), highlight=False, soft_wrap=True)


def _dropped(found: SearchResult) -> str:
    """How many candidates ended at which gate."""
    gates = Counter(each.gate for each in (*found.dropped, *found.evaluated) if each.gate)
    ends = [f"{gates[gate]} by {WHY[gate]}" for gate in Gate if gates[gate]]
    return f"dropped: {', '.join(ends)}; --json says why of each one"


def _smallest_first(rows: Sequence[Evaluated]) -> list[Evaluated]:
    return sorted(rows, key=lambda each: each.cost.size_bytes)


def _row(each: Evaluated) -> tuple[str, ...]:
    cost = each.cost
    return (
        title_of(each.candidate),
        each.candidate.recipe,
        NOT_KNOWN if each.score is None else f"{each.score:.4f}",
        byte_size(cost.size_bytes),
        format_milliseconds(cost.latency_ms) if cost.latency_ms else NOT_KNOWN,
        f"{format_significant(cost.energy_mj)} mJ" if cost.energy_mj else NOT_KNOWN,
        each.rejected or "met",
    )
