"""What a user may ask of a search."""

from __future__ import annotations

import pytest

from edge_bert.errors import InputError
from edge_bert.search.problem import SearchEffort, search_effort
from tests.one_line import refused


def test_an_effort_is_what_was_asked_for() -> None:
    """The least of each is taken as it is."""
    assert search_effort(0, 1) == SearchEffort(seed=0, evaluations=1)


@pytest.mark.parametrize(("seed", "evaluations"), [(-1, 20), (0, 0), (0, -5)])
def test_no_search_is_refused(seed: int, evaluations: int) -> None:
    """No evaluation at all would else mean the default, and a seed below zero a traceback."""
    with refused(InputError, "give [01] or more"):
        search_effort(seed, evaluations)
