"""What every executor promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.errors import InputError, RefusedError
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.jobs import Executor, Job
from tests.search import jobs


def test_every_job_ends_once(any_executor: Executor, tmp_path: Path) -> None:
    """One outcome and one run for each job, and the same values everywhere."""
    asked = jobs.squares(tmp_path, 7)
    outcomes = list(any_executor.outcomes(asked))
    assert sorted((each.key, each.value) for each in outcomes) == [
        (f"square-{number}", number * number) for number in range(7)
    ]
    assert jobs.ran(tmp_path) == {str(number): 1 for number in range(7)}


def test_used_again(any_executor: Executor, tmp_path: Path) -> None:
    """The next jobs run as the first did; none is no jobs."""
    assert list(any_executor.outcomes([])) == []
    for _ in range(2):
        found = {each.key: each.value for each in any_executor.outcomes(jobs.squares(tmp_path, 3))}
        assert found == {"square-0": 0, "square-1": 1, "square-2": 4}


def test_a_fault_is_an_outcome(any_executor: Executor, tmp_path: Path) -> None:
    """The others go on, and the error is of its own kind and words."""
    asked = [Job("bad", jobs.refuses, (tmp_path,)), *jobs.squares(tmp_path, 3)]
    found = {each.key: each for each in any_executor.outcomes(asked)}
    assert isinstance(found["bad"].error, RefusedError)
    assert str(found["bad"].error) == f"nothing fits in {tmp_path.name}"
    assert found["square-2"].value == 4


def test_a_fault_that_cannot_travel(any_executor: Executor, tmp_path: Path) -> None:
    """It is told in words, and the others go on."""
    asked = [Job("bad", jobs.breaks, ()), *jobs.squares(tmp_path, 3)]
    found = {each.key: each for each in any_executor.outcomes(asked)}
    assert "one" in str(found["bad"].error)
    assert found["square-2"].value == 4


def test_abandoned(any_executor: Executor, tmp_path: Path) -> None:
    """Outcomes that nobody takes do not come with those of the next jobs."""
    outcomes = any_executor.outcomes(jobs.squares(tmp_path, 5))
    next(outcomes)
    outcomes.close()
    found = [each.key for each in any_executor.outcomes([Job("a", jobs.square, (tmp_path, 9))])]
    assert found == ["a"]


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers(workers: int) -> None:
    """Refused in one line."""
    with pytest.raises(InputError, match="1 or more"), open_executor(workers=workers):
        pass
