"""Budgets and violations of them in words, the same in errors, tables and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_bert.records.budget import LimitName, Violation, budget_limits
from edge_bert.records.profile import Budget
from edge_bert.text import (
    NOT_KNOWN,
    byte_size,
    format_millijoules,
    format_milliseconds,
    format_points,
)

_FORMATS: dict[LimitName, Callable[[float], str]] = {
    "size": lambda value: byte_size(int(value)),
    "latency": format_milliseconds,
    "energy": format_millijoules,
    "memory": lambda value: byte_size(int(value)),
    "score": format_points,
}
_SUBJECTS: dict[LimitName, str] = {
    "size": "a file of",
    "latency": "a latency of",
    "energy": "an energy of",
    "memory": "a peak memory of",
    "score": "a score of",
}


def format_amount(name: LimitName, value: float) -> str:
    """A figure with the unit of its limit; a score as points of 100."""
    return _FORMATS[name](value)


def format_limit(name: LimitName, limit: float) -> str:
    """`at most 24.00 MB`, `at least 86.00`."""
    return f"at {'least' if name == 'score' else 'most'} {format_amount(name, limit)}"


def describe_budget(budget: Budget) -> str:
    """The limits on one line, without absent ones."""
    texts = {name: format_amount(name, limit) for name, limit in budget_limits(budget).items()}
    if "latency" in texts:
        texts["latency"] += f" at {budget.latency_length} tokens"
    if "memory" in texts:
        texts["memory"] += " memory"
    if "score" in texts:
        texts["score"] = f"score {budget.min_score:.2f}"
    return "; ".join(texts.values()) or NOT_KNOWN


def describe_violations(violations: Sequence[Violation]) -> str:
    """`a file of 14.2 MB, the budget allows 12.0 MB; …`, for the middle of a sentence."""
    return "; ".join(_describe_violation(violation) for violation in violations)


def _describe_violation(violation: Violation) -> str:
    amount, limit = _distinguish(violation)
    subject = f"{_SUBJECTS[violation.name]}{' at least' if violation.is_bound else ''}"
    verb = "asks for" if violation.name == "score" else "allows"
    return f"{subject} {amount}, the budget {verb} {limit}"


def _distinguish(violation: Violation) -> tuple[str, str]:
    """Figure and limit in as many digits, three or more, as it takes to tell them apart."""
    name, values = violation.name, (violation.value, violation.limit)
    for digits in range(3, 11):
        amount, limit = (_format_digits(name, value, digits) for value in values)
        if amount != limit:
            break
    return amount, limit


def _format_digits(name: LimitName, value: float, digits: int) -> str:
    if name == "score":
        return f"{value:.{digits + 1}g}"
    if name in ("latency", "energy"):
        unit, scale = ("ms" if name == "latency" else "mJ"), 1.0
    else:
        unit, scale = ("MB", 1e6) if value >= 1e6 else ("kB", 1e3)
    return f"{value / scale:#.{digits}g}".rstrip(".") + f" {unit}"
