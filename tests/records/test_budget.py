"""A cost and a score against a budget."""

from __future__ import annotations

import math

import pytest

from edge_bert.records.budget import below_score, budget_limits, exceeded_limits, meets_limit
from edge_bert.records.candidate import CandidateCost
from edge_bert.records.profile import Budget

BUDGET = Budget(
    size_bytes=12_000_000, latency_ms=10.0, energy_mj=5.0, peak_ram_bytes=900_000, min_score=0.8
)


def test_within() -> None:
    """What equals a limit meets it; what is not known, or not limited, is not over."""
    cost = CandidateCost(
        size_bytes=12_000_000, latency_ms=10.0, energy_mj=5.0, peak_ram_bytes=900_000
    )
    assert exceeded_limits(BUDGET, cost) == ()
    assert exceeded_limits(BUDGET, CandidateCost(size_bytes=1)) == ()
    assert exceeded_limits(Budget(), CandidateCost(size_bytes=10**12, latency_ms=1e6)) == ()
    assert below_score(BUDGET, 0.8) == below_score(Budget(), -1.0) == below_score(BUDGET, None)


def test_only_limits_that_are_set() -> None:
    """In one order; a budget without limits has none."""
    assert list(budget_limits(BUDGET)) == ["size", "latency", "energy", "memory", "score"]
    assert budget_limits(Budget(latency_length=64)) == {}


def test_not_a_number_meets_nothing() -> None:
    """A figure that is no number is never called met."""
    assert not meets_limit("latency", math.nan, 10.0)
    assert not meets_limit("score", math.nan, 0.5)


@pytest.mark.parametrize(("score", "ratio"), [(0.72, 1.1), (0.0, 2.0), (-0.8, 3.0)])
def test_how_far_below(score: float, ratio: float) -> None:
    """As a share of the score asked for."""
    assert below_score(BUDGET, score)[0].ratio == pytest.approx(ratio)
