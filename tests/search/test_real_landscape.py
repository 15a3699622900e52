"""The search on a real encoder that is really made smaller."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.records.profile import Budget
from edge_bert.search.executors.in_process import InProcess
from edge_bert.search.problem import Effort
from edge_bert.search.search import search
from tests.search import real_landscape
from tests.search.real_landscape import BUDGETS


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: f"{budget.size_bytes}")
@pytest.mark.parametrize("seed", range(2))
def test_as_good_as_trying_everything(tmp_path: Path, budget: Budget, seed: int) -> None:
    """Within 1% of the best score in the budget, in a tenth of the evaluations or less."""
    asked = real_landscape.problem(budget)
    best, count = real_landscape.best(asked)
    assert count >= 140
    result = search(asked, InProcess(), tmp_path / "journal.jsonl", effort=Effort(seed=seed))
    assert result.chosen is not None
    assert result.chosen.score is not None
    assert result.chosen.score >= 0.99 * best
    assert 10 * len(result.evaluated) <= count
