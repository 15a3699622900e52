"""The problem of a search, and how many candidates it may evaluate."""

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
    """A search space, a budget, and the functions that score and cost a candidate.

    `key` is a digest of all that scores and costs depend on beside the candidate: model, data,
    device, tools, code. The budget is not in it, so that another budget reuses evaluations.

    `bounds` is called in this process for every candidate and must be quick. It gives the exact
    file size and, where known, lower bounds of latency, energy and memory. `score` and `cost` are
    called in other processes: functions of a module, with the same result for the same candidate
    everywhere. `cost` has the size of the built file too. A candidate that cannot be built or run
    raises RefusedError or VerificationError; any other error ends the search.
    """

    key: str
    space: Space
    budget: Budget
    context: Context
    bounds: Callable[[Context, Candidate], CandidateCost]
    score: Callable[[Context, Candidate], float]
    cost: Callable[[Context, Candidate], CandidateCost]


class SearchEffort(Record, frozen=True):
    """How many candidates a search may evaluate, and from which seed.

    `evaluations` is by default a tenth of the candidates within computed bounds, at least `FEWEST`
    and at most `MOST`. At most `batch` candidates are proposed before their scores are looked at;
    it decides what is found, the number of workers does not.
    """

    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    evaluations: PositiveInt | None = None
    batch: PositiveInt = 4


def search_effort(seed: int, evaluations: int) -> SearchEffort:
    """The effort of the options --seed and --evaluations.

    Raises InputError where either is too small.
    """
    if seed < 0:
        raise InputError(f"--seed {seed}: give 0 or more.")
    if evaluations < 1:
        raise InputError(f"--evaluations {evaluations}: give 1 or more.")
    return SearchEffort(seed=seed, evaluations=evaluations)


FEWEST, MOST = 16, 48  # evaluations, where the effort does not say
BATCHES = 16  # at least, whatever `batch` says: a proposal that knows more scores is a better one


def count_evaluations(effort: SearchEffort, candidates: int) -> int:
    """How many of `candidates` may be evaluated."""
    allowed = effort.evaluations or min(max(candidates // 10, FEWEST), MOST)
    return min(allowed, candidates)


def batch_size(effort: SearchEffort, total: int) -> int:
    """How many of `total` evaluations are proposed at once: few where the total is small."""
    return max(min(effort.batch, total // BATCHES), 1)


def candidate_key(candidate: Candidate) -> str:
    """SHA-256 of a candidate's content: 64 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(candidate, order="sorted")).hexdigest()
