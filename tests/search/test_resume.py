"""Interrupted searches go on, and nothing that is known is evaluated again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert.records.candidate import SearchResult
from edge_bert.records.profile import Budget
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.in_process import InProcess
from edge_bert.search.executors.jobs import Executor
from edge_bert.search.problem import candidate_key
from edge_bert.search.search import run_search
from tests.search import counted, jobs
from tests.search.counted import Counted
from tests.search.test_search import BUDGETS, SMALL

BUDGET = BUDGETS[0]


def run(folder: Path, executor: Executor, budget: Budget = BUDGET, **faults: int) -> SearchResult:
    """A search whose journal and notes are in `folder`."""
    world = Counted("counted", folder=str(folder), **faults)
    return run_search(counted.problem(world, budget, SMALL), executor, folder / "journal.jsonl")


@pytest.fixture
def undisturbed(tmp_path: Path) -> SearchResult:
    """What a search gives that nothing happens to."""
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    return run(folder, InProcess())


def once_each(folder: Path, result: SearchResult) -> None:
    """Every score and cost was found out once, and nothing else was."""
    ran = jobs.ran(folder)
    del ran["died"]
    assert set(ran.values()) == {1}
    assert sum(key.startswith("score-") for key in ran) == len(result.evaluated)


@pytest.mark.parametrize("count", [0, 1, 6, 7, 13])
def test_interrupted(tmp_path: Path, undisturbed: SearchResult, count: int) -> None:
    """Ctrl-C at any place: the next run gives what one run would have, each evaluated once."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, InProcess(), interrupt_at=count)
    assert run(tmp_path, InProcess()) == undisturbed
    once_each(tmp_path, undisturbed)


def test_done_already(tmp_path: Path, undisturbed: SearchResult) -> None:
    """The same search again evaluates nothing."""
    for _ in range(2):
        assert run(tmp_path, InProcess()) == undisturbed
    once_each(tmp_path, undisturbed)


def test_a_torn_line(tmp_path: Path, undisturbed: SearchResult) -> None:
    """The one evaluation whose line was torn is done again, no other."""
    run(tmp_path, InProcess())
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    assert run(tmp_path, InProcess()) == undisturbed
    assert sorted(jobs.ran(tmp_path).values())[-3:] == [1, 2, 2]  # its score and its cost


def test_a_killed_process(tmp_path: Path, undisturbed: SearchResult) -> None:
    """A process that dies in an evaluation costs that one try."""
    with open_executor(workers=2) as opened:
        assert run(tmp_path, opened, kill_at=5) == undisturbed
    assert jobs.ran(tmp_path)["died"] == 1
    once_each(tmp_path, undisturbed)


def test_another_budget_uses_what_is_known(tmp_path: Path) -> None:
    """Lower or higher limits start from the same journal; a score is never found out twice, and a
    cost that the old limit made needless is found out without it."""
    strict = msgspec.structs.replace(BUDGET, min_score=0.75)
    first = run(tmp_path, InProcess(), strict)
    before = jobs.ran(tmp_path)
    assert sum(key.startswith("cost-") for key in before) < before.total() / 2
    second = run(tmp_path, InProcess(), BUDGET)
    after = jobs.ran(tmp_path)
    assert set(after.values()) == {1}
    assert after.total() < 2 * (len(first.evaluated) + len(second.evaluated)) - 10
    assert {f"cost-{candidate_key(each.candidate)}" for each in second.evaluated} <= set(after)
