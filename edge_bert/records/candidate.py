"""Candidates of a search: structures and number formats, their costs, and the result."""

from __future__ import annotations

import enum
import math
from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget
from edge_bert.records.recipe import RECIPES
from edge_bert.records.weight_bits import WIDTHS

Score = Annotated[float, msgspec.Meta(ge=-1, le=1)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
Index = Annotated[int, msgspec.Meta(ge=0)]


class Structure(Record, frozen=True):
    """The structure of a pruned encoder.

    `layers` are the indices of the remaining original layers, rising; `ffn` and `heads` are the
    neurons and attention heads of each. `vocabulary` is the number of tokens.
    """

    layers: Annotated[tuple[Index, ...], msgspec.Meta(min_length=1)]
    ffn: tuple[PositiveInt, ...]
    heads: tuple[PositiveInt, ...]
    vocabulary: PositiveInt

    def __post_init__(self) -> None:
        if list(self.layers) != sorted(set(self.layers)):
            raise ValueError("the layers must rise, each named once")
        if not len(self.layers) == len(self.ffn) == len(self.heads):
            raise ValueError("every layer needs its number of neurons and of heads")


class Candidate(Record, frozen=True):
    """One way to build the model: its structure, its number formats and its lengths.

    `matrix_bits` is the weight width of each layer, `embedding_bits` that of the embedding table.
    `lengths` are the length buckets in tokens, rising.
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
            raise ValueError("every layer needs the bits of its matrices")
        if RECIPES[self.recipe].weight_bits in WIDTHS and not {
            self.embedding_bits,
            *self.matrix_bits,
        } <= set(WIDTHS):
            raise ValueError("integer weights have 2, 4 or 8 bits")
        if list(self.lengths) != sorted(set(self.lengths)):
            raise ValueError("the lengths must rise, each named once")


class CandidateCost(Record, frozen=True):
    """The cost of a candidate on a device. Absent means unknown.

    `evidence` says where latency and energy come from; both are p50 at the budget's length.
    `scaled_to` is the measured phone that a modelled latency is scaled to, in words.
    """

    size_bytes: PositiveInt
    latency_ms: float | None = None
    energy_mj: float | None = None
    peak_ram_bytes: PositiveInt | None = None
    evidence: Evidence | None = None
    scaled_to: str = ""

    def __post_init__(self) -> None:
        for name, value in (("latency", self.latency_ms), ("energy", self.energy_mj)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"a {name} must be a positive number, not {value}")


class Constraint(enum.Enum):
    """What rules a candidate out, cheapest to check first."""

    SIZE = "size"  # computed, nothing built
    BOUND = "bound"  # a computed lower bound of latency, energy or memory
    BUILD = "build"  # it cannot be built or run
    SCORE = "score"
    COST = "cost"  # emulated or measured latency, energy or memory, or the built file's bytes


class Evaluated(Record, frozen=True, rename={"constraint": "gate"}):
    """A candidate with what a search knows of it.

    `cost` holds the computed size alone until the candidate is built and run. `constraint` is the
    first one that it violates and `rejected` says how; both are absent when it meets the budget.
    """

    candidate: Candidate
    cost: CandidateCost
    score: Score | None = None
    constraint: Constraint | None = None
    rejected: str | None = None

    def __post_init__(self) -> None:
        if (self.constraint is None) != (self.rejected is None):
            raise ValueError("a rejected candidate has a constraint and a reason, others neither")


class SearchResult(Record, frozen=True):
    """The result of a search.

    `chosen` has the best score within the budget; where none meets it, `chosen` is None and
    `nearest` are the candidates that miss it by least. `front` is the Pareto front in size,
    latency, energy and score: of the candidates within the budget, else of all evaluated ones.
    `evaluated` are all that were built, in order; `dropped` are those that computed bounds rule
    out; `untried` counts those that may meet the budget and were not built.
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
