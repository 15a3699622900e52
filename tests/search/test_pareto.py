"""The Pareto front and the nearest misses."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge_bert.records.budget import Violation
from edge_bert.records.candidate import Candidate, CandidateCost, Evaluated
from edge_bert.search import pareto
from tests.search.landscapes import SPACE

CANDIDATES = tuple(itertools.islice(SPACE.candidates().values(), 40))
ROWS = st.lists(
    st.tuples(*[st.integers(1, 4)] * 3, st.integers(0, 4)), min_size=1, max_size=len(CANDIDATES)
)


def evaluated(candidate: Candidate, row: tuple[int, int, int, int]) -> Evaluated:
    """A candidate with size, latency, energy and score of `row`."""
    cost = CandidateCost(size_bytes=row[0], latency_ms=row[1], energy_mj=row[2])
    return Evaluated(candidate, cost, score=row[3] / 4)


def beats(one: Evaluated, other: Evaluated) -> bool:
    """By the definition, amount by amount."""
    a, b = one.cost, other.cost
    assert one.score is not None
    assert other.score is not None
    assert a.latency_ms and b.latency_ms and a.energy_mj and b.energy_mj  # noqa: PT018
    as_good = [a.size_bytes <= b.size_bytes, a.latency_ms <= b.latency_ms]
    as_good += [a.energy_mj <= b.energy_mj, one.score >= other.score]
    better = [a.size_bytes < b.size_bytes, a.latency_ms < b.latency_ms]
    better += [a.energy_mj < b.energy_mj, one.score > other.score]
    return all(as_good) and any(better)


@given(ROWS, st.randoms())
def test_the_front_is_what_nothing_beats(
    rows: list[tuple[int, int, int, int]], random: st.DataObject
) -> None:
    """Exactly those, whatever the order they come in, always in the same order."""
    found = [evaluated(each, row) for each, row in zip(CANDIDATES, rows, strict=False)]
    best = pareto.pareto_front(found)
    expected = {each.candidate for each in found if not any(beats(other, each) for other in found)}
    assert {each.candidate for each in best} == expected
    assert len(best) == len(expected)
    shuffled = found[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pareto.pareto_front(shuffled) == best


def test_what_is_not_known_is_worst() -> None:
    """A candidate without a latency does not beat one that has it, nor is it lost when smaller."""
    known = evaluated(CANDIDATES[0], (3, 2, 2, 2))
    blank = Evaluated(CANDIDATES[1], CandidateCost(size_bytes=3), score=0.5)
    smaller = Evaluated(CANDIDATES[2], CandidateCost(size_bytes=2), score=0.5)
    assert pareto.pareto_front([blank, known]) == (known,)
    assert pareto.pareto_front([smaller, known]) == (smaller, known)


def test_nearest() -> None:
    """The smallest worst miss first; what is further off in everything is left out."""
    sizes = {0: (1.5, 1.1), 1: (1.2, 1.2), 2: (1.6, 1.2), 3: (1.0, 1.9)}
    missed = []
    for number, (size, latency) in sizes.items():
        misses = (Violation("size", size, 1.0), Violation("latency", latency, 1.0))
        kept = tuple(miss for miss in misses if miss.ratio > 1)
        missed.append((evaluated(CANDIDATES[number], (1, 1, 1, 1)), kept))
    found = [CANDIDATES.index(each.candidate) for each in pareto.nearest_misses(missed)]
    assert found == [1, 0, 3]
    assert pareto.nearest_misses([]) == ()


def test_of_equal_misses_the_best_is_shown() -> None:
    """The best score; where none is known, the largest file, which has most of the model left."""
    misses = (Violation("latency", 1.5, 1.0),)
    blank = [
        (Evaluated(each, CandidateCost(size_bytes=size)), misses)
        for each, size in zip(CANDIDATES, (2, 3, 1), strict=False)
    ]
    assert [each.cost.size_bytes for each in pareto.nearest_misses(blank)] == [3]
    scored = Evaluated(CANDIDATES[3], CandidateCost(size_bytes=1), score=0.1)
    assert pareto.nearest_misses([*blank, (scored, misses)]) == (scored,)
