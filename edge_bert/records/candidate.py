"""Candidates of a sizing: what could be built, what it costs, and what a search made of it."""

from __future__ import annotations

import enum
import math
from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget
from edge_bert.records.recipe import RECIPES

WEIGHT_BITS = (4, 8)
Score = Annotated[float, msgspec.Meta(ge=-1, le=1)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
Index = Annotated[int, msgspec.Meta(ge=0)]


class Structure(Record, frozen=True):
    """Which parts of the original encoder are kept.

    `layers` are the numbers of the original layers kept, rising; `ffn` and `heads` are the neurons
    and the heads kept in each of them. `vocabulary` is the number of tokens kept; the original
    number means that none is trimmed.
    """

    layers: Annotated[tuple[Index, ...], msgspec.Meta(min_length=1)]
    ffn: tuple[PositiveInt, ...]
    heads: tuple[PositiveInt, ...]
    vocabulary: PositiveInt

    def __post_init__(self) -> None:
        if list(self.layers) != sorted(set(self.layers)):
            raise ValueError("the layers kept must rise, each named once")
        if not len(self.layers) == len(self.ffn) == len(self.heads):
            raise ValueError("every kept layer needs its number of neurons and of heads")


class Candidate(Record, frozen=True):
    """One way to build the model: its structure, its number formats and its lengths.

    `matrix_bits` is the width of the weights of each kept layer, `embedding_bits` that of the
    embedding table. `lengths` are the length buckets in tokens, rising.
    """

    structure: Structure
    recipe: str
    matrix_bits: tuple[int, ...]
    embedding_bits: int
    lengths: Annotated[tuple[PositiveInt, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise ValueError(f"no recipe is called {self.recipe!r}; there are {', '.join(RECIPES)}")
        if len(self.matrix_bits) != len(self.structure.layers):
            raise ValueError("every kept layer needs the bits of its matrices")
        if RECIPES[self.recipe].weight_bits in WEIGHT_BITS and not {
            self.embedding_bits,
            *self.matrix_bits,
        } <= set(WEIGHT_BITS):
            raise ValueError("integer weights have 4 or 8 bits")
        if list(self.lengths) != sorted(set(self.lengths)):
            raise ValueError("the lengths must rise, each named once")


class CandidateCost(Record, frozen=True):
    """What a candidate costs on a device. Absent means not known.

    `evidence` says where latency and energy come from; both are p50 at the budget's length.
    """

    size_bytes: PositiveInt
    latency_ms: float | None = None
    energy_mj: float | None = None
    peak_ram_bytes: PositiveInt | None = None
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        for name, value in (("latency", self.latency_ms), ("energy", self.energy_mj)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"a {name} must be a positive number, not {value}")


class Gate(enum.Enum):
    """Where a candidate was dropped, cheapest gate first."""

    SIZE = "size"  # computed, nothing built
    BOUND = "bound"  # a computed lower bound of latency, energy or memory is over the budget
    BUILD = "build"  # it could not be built, or not be run
    SCORE = "score"
    COST = "cost"  # emulated or measured latency, energy or memory, or the built file's bytes


class Evaluated(Record, frozen=True):
    """A candidate that a search looked at.

    `cost` holds the computed size alone until the candidate was built and run. `gate` and
    `rejected`, a reason in plain words, are absent when it meets the budget.
    """

    candidate: Candidate
    cost: CandidateCost
    score: Score | None = None
    gate: Gate | None = None
    rejected: str | None = None

    def __post_init__(self) -> None:
        if (self.gate is None) != (self.rejected is None):
            raise ValueError("a dropped candidate has a gate and a reason, a kept one has neither")


class SearchResult(Record, frozen=True):
    """What a search found.

    `chosen` is the best score that meets the budget; None when nothing does, and then `nearest`
    are the candidates that miss it by least. `front` are the candidates that no other one beats in
    size, latency, energy and score at once: of those that meet the budget, else of all that were
    evaluated. `evaluated` are all that were built, in order; `dropped` those that computed gates
    ended. `untried` is how many could meet the budget and were left, for want of promise.
    """

    budget: Budget
    seed: int
    chosen: Evaluated | None
    reason: str
    front: tuple[Evaluated, ...]
    nearest: tuple[Evaluated, ...]
    evaluated: tuple[Evaluated, ...]
    dropped: tuple[Evaluated, ...]
    untried: int
