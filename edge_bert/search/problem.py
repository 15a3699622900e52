"""What a search is asked, and how much it may try."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.records.candidate import Candidate, CandidateCost, PositiveInt
from edge_bert.records.profile import Budget
from edge_bert.search.space import Space

Context = TypeVar("Context")


@dataclass(frozen=True)
class Problem(Generic[Context]):
    """A space, a budget, and how to find out what a candidate costs and is worth.

    `key` says by content all that scores and costs depend on beside the candidate: model, data,
    device, tools, code. The budget is no part of it, so that another budget uses what is known.

    `bounds` is called here for every candidate and must be quick: the exact size of its file and,
    where known, amounts that its latency, energy and memory cannot be below. `score` and `cost`
    are called in other processes: functions of a module, that give the same for the same candidate
    wherever they run. `cost` has the size of the built file too. A candidate that cannot be built
    or run raises RefusedError or VerificationError; any other error ends the search.
    """

    key: str
    space: Space
    budget: Budget
    context: Context
    bounds: Callable[[Context, Candidate], CandidateCost]
    score: Callable[[Context, Candidate], float]
    cost: Callable[[Context, Candidate], CandidateCost]


class SearchEffort(Record, frozen=True):
    """How a search goes about it.

    `evaluations` is how many candidates may be built; by default a tenth of those that computed
    gates leave, at least `FEWEST` and at most `MOST`. `batch` is how many are proposed, at most,
    before what they gave is looked at; it decides what is found, the number of workers does not.
    """

    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    evaluations: PositiveInt | None = None
    batch: PositiveInt = 4


def search_effort(seed: int, evaluations: int) -> SearchEffort:
    """The effort that a user asks for with --seed and --evaluations; InputError for none."""
    if seed < 0:
        raise InputError(f"--seed {seed}: give 0 or more.")
    if evaluations < 1:
        raise InputError(f"--evaluations {evaluations}: give 1 or more.")
    return SearchEffort(seed=seed, evaluations=evaluations)


FEWEST, MOST = 16, 48  # evaluations, where the effort does not say
BATCHES = 16  # at least, whatever `batch` says: what a proposal learns is worth more than its time


def count_evaluations(effort: SearchEffort, candidates: int) -> int:
    """How many of `candidates` may be built."""
    wanted = effort.evaluations or min(max(candidates // 10, FEWEST), MOST)
    return min(wanted, candidates)


def batch_size(effort: SearchEffort, total: int) -> int:
    """How many are proposed at once: few where few may be built, so that each can be learned of."""
    return max(min(effort.batch, total // BATCHES), 1)


def candidate_key(candidate: Candidate) -> str:
    """SHA-256 of a candidate's content: 64 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(candidate, order="sorted")).hexdigest()
