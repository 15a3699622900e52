"""The search on made-up models: what it finds, when it ends, and that it always does the same."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from edge_bert.errors import DeviceError, InputError, RefusedError
from edge_bert.records.candidate import (
    Candidate,
    CandidateCost,
    Constraint,
    Evaluated,
    SearchResult,
)
from edge_bert.records.profile import Budget
from edge_bert.search.executors.in_process import InProcess
from edge_bert.search.executors.jobs import Executor
from edge_bert.search.problem import Problem, SearchEffort, candidate_key, count_evaluations
from edge_bert.search.search import run_search
from edge_bert.search.space import Space
from tests.one_line import refused
from tests.search import landscapes
from tests.search.landscapes import LAYERS, SPACE, TOKENS, WORLDS, World, problem

MB = 10**6
BUDGETS = (
    Budget(size_bytes=12 * MB),
    Budget(size_bytes=12 * MB, latency_ms=50.0),
    Budget(size_bytes=16 * MB, latency_ms=80.0, energy_mj=30.0),
    Budget(size_bytes=8 * MB),
)
SMALL = msgspec.structs.replace(
    SPACE, vocabulary=(20000, TOKENS), heads=landscapes.alike((12,)), lengths=((128,),)
)
WORLD = WORLDS[1]


def found(tmp_path: Path, asked: Problem[World], **effort: int) -> SearchResult:
    """A search of its own in this process."""
    return run_search(asked, InProcess(), tmp_path / "journal.jsonl", effort=SearchEffort(**effort))


@pytest.mark.parametrize(
    ("world", "number"),
    [pytest.param(world, 1 + i % 2, id=world.name) for i, world in enumerate(WORLDS)],
)
def test_as_good_as_trying_everything(tmp_path: Path, world: World, number: int) -> None:
    """Within 1% of the best score that meets the budget, in a tenth of the evaluations or less."""
    asked = problem(world, BUDGETS[number])
    best, count = landscapes.best(asked)
    result = found(tmp_path, asked, seed=number)
    assert result.chosen is not None
    assert result.chosen.score is not None
    assert result.chosen.score >= best - 0.01 * abs(best)
    assert 10 * len(result.evaluated) <= count


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_small_spaces(tmp_path: Path, world: World, seed: int) -> None:
    """The same where a tenth is few: 19 of 196 and 31 of 314."""
    for number in (0, 2):
        asked = problem(world, BUDGETS[number], SMALL)
        best, count = landscapes.best(asked)
        result = run_search(
            asked, InProcess(), tmp_path / str(number), effort=SearchEffort(seed=seed)
        )
        assert result.chosen is not None
        assert result.chosen.score is not None
        assert result.chosen.score >= best - 0.01 * abs(best)
        assert 10 * len(result.evaluated) <= count


def test_everything_where_there_is_little(tmp_path: Path) -> None:
    """A space of less than the fewest evaluations is tried whole."""
    few = SMALL.layers[:2]
    tiny = msgspec.structs.replace(
        SMALL,
        layers=few,
        ffn=landscapes.alike((768,), few),
        heads=landscapes.alike((12,), few),
        matrix_bits=SMALL.matrix_bits[:1],
    )
    asked = problem(WORLD, Budget(size_bytes=9 * MB), tiny)
    best, count = landscapes.best(asked)
    result = found(tmp_path, asked)
    assert 0 < count <= 16
    assert (len(result.evaluated), result.untried) == (count, 0)
    assert result.chosen is not None
    assert result.chosen.score == best


def test_the_same_everywhere(any_executor: Executor, tmp_path: Path) -> None:
    """One process, two, or a cluster: the same result to the last digit; another seed differs."""
    asked = problem(WORLD, BUDGETS[1], SMALL)
    here = found(tmp_path, asked, seed=3)
    there = run_search(asked, any_executor, tmp_path / "there", effort=SearchEffort(seed=3))
    assert there == here
    other = run_search(asked, InProcess(), tmp_path / "other", effort=SearchEffort(seed=4))
    assert other.evaluated != here.evaluated


def test_a_result_can_be_written_and_read(tmp_path: Path) -> None:
    """As JSON, as reports do."""
    result = found(tmp_path, problem(WORLD, BUDGETS[0], SMALL))
    assert msgspec.json.decode(msgspec.json.encode(result), type=SearchResult) == result


def test_every_candidate_is_accounted_for(tmp_path: Path) -> None:
    """Built, dropped by what was computed, or left untried; each drop with its reason."""
    budget = msgspec.structs.replace(BUDGETS[1], min_score=0.6)
    result = found(tmp_path, problem(WORLD, budget, SMALL))
    total = len(SMALL.candidates())
    assert len(result.evaluated) + len(result.dropped) + result.untried == total
    assert all(each.constraint is Constraint.SIZE for each in result.dropped)
    assert {each.constraint for each in result.evaluated} == {
        None,
        Constraint.SCORE,
        Constraint.COST,
    }
    for each in (*result.dropped, *result.evaluated):
        assert (each.rejected is None) == meets(budget, each)
    assert "the budget allows 12.0 MB" in (result.dropped[0].rejected or "")
    # A candidate whose score is too low was never run for its latency.
    low = [each for each in result.evaluated if each.constraint is Constraint.SCORE]
    assert all(each.cost.latency_ms is None for each in low)


def meets(budget: Budget, each: Evaluated) -> bool:
    """By the definition, from what is known of a candidate."""
    cost = each.cost
    assert budget.size_bytes is not None
    fits = cost.size_bytes <= budget.size_bytes
    for amount, limit in ((cost.latency_ms, budget.latency_ms), (cost.energy_mj, budget.energy_mj)):
        fits = fits and (amount is None or limit is None or amount <= limit)
    low = each.score is not None and budget.min_score is not None and each.score < budget.min_score
    return fits and not low


def test_the_chosen_one_is_on_the_front(tmp_path: Path) -> None:
    """The front is of those that meet the budget, and none of it has a better score."""
    result = found(tmp_path, problem(WORLD, BUDGETS[1], SMALL))
    assert result.chosen in result.front
    assert len(result.front) > 1
    assert all(each.rejected is None for each in result.front)
    scores = [each.score for each in result.front if each.score is not None]
    assert result.chosen is not None
    assert result.chosen.score == max(scores)
    assert f"{result.chosen.score:.4f}" in result.reason


def never(_: World, candidate: Candidate) -> float:
    """A score that nobody may ask for."""
    raise AssertionError(f"{candidate} was built")


def costs_known(budget: Budget) -> Problem[World]:
    """A problem whose bounds are the costs themselves, and where nothing may be built."""
    return Problem("bounded", SMALL, budget, WORLD, landscapes.cost, never, landscapes.cost)


def smallest_and_fastest() -> tuple[int, float]:
    """The least size and the least latency of all candidates; no candidate has both."""
    costs = [landscapes.cost(WORLD, each) for each in SMALL.candidates().values()]
    latencies = [each.latency_ms for each in costs if each.latency_ms is not None]
    return min(each.size_bytes for each in costs), min(latencies)


@pytest.mark.parametrize(
    ("size", "latency", "words"),
    [
        (0.9, None, "No candidate can meet the budget: the best has a file of 6.08 MB, the budget"),
        (None, 0.5, "No candidate can meet the budget: the best has a latency of at least"),
        (1.0, 1.0, "Every limit can be met alone, but no candidate can meet them all at once"),
    ],
)
def test_what_cannot_be_ends_at_once(
    tmp_path: Path, size: float | None, latency: float | None, words: str
) -> None:
    """Nothing is built; the nearest misses and the reason of every candidate are there."""
    smallest, fastest = smallest_and_fastest()
    budget = Budget(
        size_bytes=size and int(size * smallest), latency_ms=latency and latency * fastest
    )
    result = found(tmp_path, costs_known(budget))
    assert result.chosen is None
    assert result.evaluated == result.front == ()
    assert len(result.dropped) == len(SMALL.candidates())
    assert 0 < len(result.nearest) <= 5
    assert all("the budget allows" in (each.rejected or "") for each in result.dropped)
    assert result.reason.startswith(words)
    assert not (tmp_path / "journal.jsonl").exists()


def test_the_smallest_is_nearest_to_a_size(tmp_path: Path) -> None:
    """With one limit there is one nearest size."""
    result = found(tmp_path, problem(WORLD, Budget(size_bytes=4 * MB), SMALL))
    smallest = min(map(landscapes.size, SMALL.candidates().values()))
    assert [each.cost.size_bytes for each in result.nearest] == [smallest]


def test_what_only_building_shows_to_be_impossible(tmp_path: Path) -> None:
    """A score that nothing has: the front of what was built, and which came nearest."""
    result = found(tmp_path, problem(WORLD, Budget(size_bytes=12 * MB, min_score=0.95), SMALL))
    assert result.chosen is None
    assert all(each.constraint is Constraint.SCORE for each in result.evaluated)
    best = max(each.score or 0 for each in result.evaluated)
    assert result.nearest[0].score == best
    assert best in [each.score for each in result.front]
    assert result.reason.startswith("None of the 19 candidates")


class Faulty(World, frozen=True):
    """A world where building goes wrong now and then."""

    fault: str = ""


def faulty(world: Faulty, candidate: Candidate) -> float:
    """Refuses, or gives no number, for half of the candidates."""
    if int(candidate_key(candidate)[0], 16) < 8:
        if world.fault == "refuses":
            raise RefusedError("the runtime refuses\n4 bits here")
        if world.fault == "stops":
            raise DeviceError("the emulator did not start")
        return float("nan")
    return landscapes.score(world, candidate)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("refuses", "the runtime refuses 4 bits here"), ("nan", "its score is nan")],
)
def test_what_cannot_be_built_is_dropped(tmp_path: Path, fault: str, words: str) -> None:
    """With the reason; the search goes on, and does not build it again when it is resumed."""
    world = Faulty("faulty", fault=fault)
    asked = Problem("faulty", SMALL, BUDGETS[0], world, landscapes.bounds, faulty, landscapes.cost)
    result = found(tmp_path, asked)
    dropped = [each for each in result.evaluated if each.constraint is Constraint.BUILD]
    assert dropped
    assert all(words in (each.rejected or "") for each in dropped)
    assert result.chosen is not None
    again = Problem("faulty", SMALL, BUDGETS[0], world, landscapes.bounds, never, landscapes.cost)  # type: ignore[arg-type]
    assert found(tmp_path, again) == result


def test_what_is_wrong_with_the_machine_ends_the_search(tmp_path: Path) -> None:
    """After the rest of its batch is recorded."""
    world = Faulty("faulty", fault="stops")
    asked = Problem("faulty", SMALL, BUDGETS[0], world, landscapes.bounds, faulty, landscapes.cost)
    with refused(DeviceError, "the emulator did not start"):
        found(tmp_path, asked)
    assert len((tmp_path / "journal.jsonl").read_bytes().splitlines()) > 1


def refusing(_: World, candidate: Candidate) -> CandidateCost:
    """Bounds that rule one recipe out."""
    if candidate.recipe == "wi8_ai8":
        raise RefusedError("full-integer files have no 4-bit matrices")
    return landscapes.bounds(WORLD, candidate)


def test_what_computed_bounds_rule_out(tmp_path: Path) -> None:
    """Dropped with the reason; where nothing is left, that is an error."""
    asked = Problem("x", SMALL, BUDGETS[0], WORLD, refusing, landscapes.score, landscapes.cost)
    result = found(tmp_path, asked)
    gates = [each for each in result.dropped if each.constraint is Constraint.BUILD]
    assert len(gates) == len(SMALL.candidates()) // 2
    only = msgspec.structs.replace(SMALL, recipes=("wi8_ai8",))
    asked = Problem("x", only, BUDGETS[0], WORLD, refusing, landscapes.score, landscapes.cost)
    with refused(InputError, "No candidate can be built: full-integer files have"):
        found(tmp_path, asked)


def test_equal_candidates_are_one() -> None:
    """Choices that differ only in layers that are not kept do not double a candidate."""
    one = ((0, 1),)
    space = msgspec.structs.replace(
        SMALL,
        layers=one,
        ffn=landscapes.alike((768, 1024, 1280, 1536), one),
        heads=landscapes.alike((12,), one),
        matrix_bits=((8,) * LAYERS, (8, 8, 4, 4, 4, 4)),
    )
    candidates = list(space.candidates().values())
    assert len(candidates) == len(set(candidates)) == 4 * 2 * 2 * 2


def test_a_space_too_large() -> None:
    """Refused before it is made."""
    many = tuple(range(1, 20_000))
    with refused(InputError, "give fewer choices"):
        msgspec.structs.replace(SMALL, vocabulary=many).candidates()


def test_a_space_with_missing_numbers() -> None:
    """Every layer that is kept needs its neurons, and every original one its bits."""
    small = msgspec.structs.asdict(SMALL)
    with pytest.raises(ValueError, match="ffn: every choice of layers"):
        Space(**{**small, "ffn": (SMALL.ffn[0][:-1],)})
    with pytest.raises(ValueError, match="matrix_bits: every original layer"):
        Space(**{**small, "matrix_bits": ((8,) * 5,)})


def test_effort() -> None:
    """A tenth, within limits; what is asked for; never more than there is."""
    found = [count_evaluations(SearchEffort(), count) for count in (3, 50, 200, 314, 3000)]
    assert found == [3, 16, 20, 31, 48]
    assert [count_evaluations(SearchEffort(evaluations=100), count) for count in (60, 600)] == [
        60,
        100,
    ]


def test_keys_are_of_content() -> None:
    """Different candidates, different keys; always the same for one."""
    some = list(itertools.islice(SPACE.candidates().values(), 500))
    assert len({candidate_key(each) for each in some}) == 500
    assert candidate_key(some[0]) == candidate_key(
        msgspec.json.decode(msgspec.json.encode(some[0]), type=Candidate)
    )
