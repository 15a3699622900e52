"""Limits and the words for missing them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.records.candidate import CandidateCost
from edge_bert.records.profile import Budget
from edge_bert.search import constraints

BUDGET = Budget(
    size_bytes=12_000_000, latency_ms=10.0, energy_mj=5.0, peak_ram_bytes=900_000, min_score=0.8
)


def test_within() -> None:
    """What equals a limit meets it; what is not known, or not limited, is not over."""
    cost = CandidateCost(
        size_bytes=12_000_000, latency_ms=10.0, energy_mj=5.0, peak_ram_bytes=900_000
    )
    assert constraints.exceeded_limits(BUDGET, cost) == ()
    assert constraints.exceeded_limits(BUDGET, CandidateCost(size_bytes=1)) == ()
    assert (
        constraints.exceeded_limits(Budget(), CandidateCost(size_bytes=10**12, latency_ms=1e6))
        == ()
    )
    assert constraints.below_score(BUDGET, 0.8) == constraints.below_score(Budget(), -1.0) == ()


def test_in_plain_words() -> None:
    """Every limit that is missed is told, with both amounts."""
    cost = CandidateCost(
        size_bytes=14_200_000, latency_ms=12.5, energy_mj=6.0, peak_ram_bytes=1_000_000
    )
    assert constraints.describe_violations(constraints.exceeded_limits(BUDGET, cost)) == (
        "a file of 14.2 MB, the budget allows 12.0 MB; "
        "a latency of 12.5 ms, the budget allows 10.0 ms; "
        "an energy of 6.00 mJ, the budget allows 5.00 mJ; "
        "a peak of 1.00 MB, the budget allows 900 kB"
    )
    assert (
        constraints.describe_violations(constraints.below_score(BUDGET, 0.79))
        == "a score of 0.79, the budget asks for 0.8"
    )
    floor = constraints.exceeded_limits(
        BUDGET, CandidateCost(size_bytes=1, latency_ms=11.0), bound=True
    )
    assert (
        constraints.describe_violations(floor)
        == "a latency of at least 11.0 ms, the budget allows 10.0 ms"
    )


@given(st.integers(1, 10**10), st.integers(1, 10**10))
def test_amounts_that_differ_read_differently(size: int, limit: int) -> None:
    """A byte too many is not told as "12.0 MB, the budget allows 12.0 MB"."""
    found = constraints.exceeded_limits(Budget(size_bytes=limit), CandidateCost(size_bytes=size))
    assert bool(found) == (size > limit)
    for miss in found:
        theirs, ours = miss.text.removeprefix("a file of ").split(", the budget allows ")
        assert theirs != ours


@pytest.mark.parametrize(("score", "ratio"), [(0.72, 1.1), (0.0, 2.0), (-0.8, 3.0)])
def test_how_far_below(score: float, ratio: float) -> None:
    """As a share of the score asked for."""
    assert constraints.below_score(BUDGET, score)[0].ratio == pytest.approx(ratio)
