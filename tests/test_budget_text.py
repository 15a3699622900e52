"""Budgets and violations of them in words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_bert.budget_text import describe_budget, describe_violations
from edge_bert.records.budget import below_score, exceeded_limits
from edge_bert.records.candidate import CandidateCost
from edge_bert.records.profile import Budget

BUDGET = Budget(
    size_bytes=12_000_000, latency_ms=10.0, energy_mj=5.0, peak_ram_bytes=900_000, min_score=0.8
)


def test_violations_in_plain_words() -> None:
    """Every limit that is exceeded is named, with both amounts."""
    cost = CandidateCost(
        size_bytes=14_200_000, latency_ms=12.5, energy_mj=6.0, peak_ram_bytes=1_000_000
    )
    assert describe_violations(exceeded_limits(BUDGET, cost)) == (
        "a file of 14.2 MB, the budget allows 12.0 MB; "
        "a latency of 12.5 ms, the budget allows 10.0 ms; "
        "an energy of 6.00 mJ, the budget allows 5.00 mJ; "
        "a peak memory of 1.00 MB, the budget allows 900 kB"
    )
    low = describe_violations(below_score(BUDGET, 0.79))
    assert low == "a score of 0.79, the budget asks for 0.8"
    bounds = CandidateCost(size_bytes=1, latency_ms=11.0)
    assert (
        describe_violations(exceeded_limits(BUDGET, bounds, bound=True))
        == "a latency of at least 11.0 ms, the budget allows 10.0 ms"
    )


@given(st.integers(1, 10**10), st.integers(1, 10**10))
def test_amounts_that_differ_read_differently(size: int, limit: int) -> None:
    """A byte too many is not told as "12.0 MB, the budget allows 12.0 MB"."""
    violations = exceeded_limits(Budget(size_bytes=limit), CandidateCost(size_bytes=size))
    assert bool(violations) == (size > limit)
    for violation in violations:
        text = describe_violations([violation]).removeprefix("a file of ")
        amount, allowed = text.split(", the budget allows ")
        assert amount != allowed


def test_a_budget_on_one_line() -> None:
    """The limits that are set, the latency with its length; a dash for none."""
    assert describe_budget(BUDGET) == (
        "12.00 MB; 10.0 ms at 128 tokens; 5.00 mJ; 0.90 MB memory; score 0.80"
    )
    assert describe_budget(Budget()) == "–"
