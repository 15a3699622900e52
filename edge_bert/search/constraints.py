"""What of a budget a candidate misses, by how much, and how to say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_bert.records.candidate import CandidateCost
from edge_bert.records.profile import Budget

Write = Callable[[float, int], str]


@dataclass(frozen=True)
class Violation:
    """One limit that is missed. `ratio` is above 1; equal ratios are equally far from the limit."""

    limit: str
    ratio: float
    text: str


def exceeded_limits(
    budget: Budget, cost: CandidateCost, *, bound: bool = False
) -> tuple[Violation, ...]:
    """The limits that `cost` is over; with `bound`, its latency, energy and memory are the least
    that they can be. What is not known is not over."""
    least = "at least " if bound else ""
    found = (
        _over("size", "a file of ", cost.size_bytes, budget.size_bytes, _bytes),
        _over("latency", f"a latency of {least}", cost.latency_ms, budget.latency_ms, _ms),
        _over("energy", f"an energy of {least}", cost.energy_mj, budget.energy_mj, _mj),
        _over("memory", f"a peak of {least}", cost.peak_ram_bytes, budget.peak_ram_bytes, _bytes),
    )
    return tuple(miss for miss in found if miss is not None)


def below_score(budget: Budget, score: float) -> tuple[Violation, ...]:
    """The lowest acceptable score, where `score` is under it."""
    limit = budget.min_score
    if limit is None or score >= limit:
        return ()
    ratio = 1 + (limit - score) / max(abs(limit), 0.01)
    return (Violation("score", ratio, f"a score of {score:.4g}, the budget asks for {limit:.4g}"),)


def describe_violations(misses: Sequence[Violation]) -> str:
    """The misses as one sentence part."""
    return "; ".join(miss.text for miss in misses)


def _over(
    name: str, start: str, found: float | None, limit: float | None, write: Write
) -> Violation | None:
    if found is None or limit is None or found <= limit:
        return None
    digits = next((n for n in range(3, 10) if write(found, n) != write(limit, n)), 10)
    text = f"{start}{write(found, digits)}, the budget allows {write(limit, digits)}"
    return Violation(name, found / limit, text)


def _bytes(value: float, digits: int) -> str:
    unit, size = ("MB", 1e6) if value >= 1e6 else ("kB", 1e3)
    return f"{_number(value / size, digits)} {unit}"


def _ms(value: float, digits: int) -> str:
    return f"{_number(value, digits)} ms"


def _mj(value: float, digits: int) -> str:
    return f"{_number(value, digits)} mJ"


def _number(value: float, digits: int) -> str:
    return f"{value:#.{digits}g}".rstrip(".")
