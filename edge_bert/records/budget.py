"""A cost and a score against a budget: the one comparison that the search and reports make."""

from __future__ import annotations

from typing import Literal

from edge_bert.records.base import Record
from edge_bert.records.candidate import CandidateCost
from edge_bert.records.profile import Budget

LimitName = Literal["size", "latency", "energy", "memory", "score"]
LIMIT_FIELDS: dict[LimitName, str] = {
    "size": "size_bytes",
    "latency": "latency_ms",
    "energy": "energy_mj",
    "memory": "peak_ram_bytes",
    "score": "min_score",
}


class Violation(Record, frozen=True):
    """One limit of a budget that a figure exceeds; the score falls below its limit.

    `value` is the figure, in the unit of `Budget`; with `is_bound` the true one is no better.
    """

    name: LimitName
    value: float
    limit: float
    is_bound: bool = False

    @property
    def ratio(self) -> float:
        """Above 1; equal ratios are equally far from their limits."""
        if self.name == "score":
            return 1 + (self.limit - self.value) / max(abs(self.limit), 0.01)
        return self.value / self.limit


def budget_limits(budget: Budget) -> dict[LimitName, float]:
    """The limits that `budget` sets, in the order of LIMIT_FIELDS."""
    limits = {name: getattr(budget, field) for name, field in LIMIT_FIELDS.items()}
    return {name: limit for name, limit in limits.items() if limit is not None}


def meets_limit(name: LimitName, value: float, limit: float) -> bool:
    """Whether `value` is at least the limit of a score, at most that of a cost; NaN is neither."""
    return value >= limit if name == "score" else value <= limit


def exceeded_limits(
    budget: Budget, cost: CandidateCost, *, bound: bool = False
) -> tuple[Violation, ...]:
    """The limits that `cost` exceeds; an unknown amount exceeds none.

    With `bound`, latency, energy and memory are lower bounds of the true amounts.
    """
    limits = budget_limits(budget)
    limits.pop("score", None)
    amounts = {name: getattr(cost, LIMIT_FIELDS[name]) for name in limits}
    return tuple(
        Violation(name, amounts[name], limit, is_bound=bound and name != "size")
        for name, limit in limits.items()
        if amounts[name] is not None and not meets_limit(name, amounts[name], limit)
    )


def below_score(budget: Budget, score: float | None) -> tuple[Violation, ...]:
    """The lowest acceptable score, where `score` is known and below it."""
    limit = budget.min_score
    if limit is None or score is None or meets_limit("score", score, limit):
        return ()
    return (Violation("score", score, limit),)
