"""The options of a build, with their defaults: one record from the command line to the workers."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.data.calibration import DEFAULT_COUNT
from edge_bert.records.base import Record
from edge_bert.records.profile import Budget
from edge_bert.search.problem import SearchEffort, search_effort

EVALUATIONS = 20  # each takes half a minute to a minute of one processor
DEFAULT_OUT = "build"


class Rounding(enum.Enum):
    """How int8 matrices with calibrated scales are rounded; narrower ones always take GPTQ."""

    NEAREST = "nearest"
    GPTQ = "gptq"


class BuildOptions(Record, frozen=True):
    """What `invoke build` takes, and nothing else decides what is built.

    `profile` is a name or a path, as `load_profile` takes it; `recipes` and `lengths` are the
    defaults where they are empty. `max_size` is in bytes, `max_latency` in ms, `max_energy` in mJ;
    they and `min_score` take the place of what the profile's budget says of the same. `unpruned`
    builds the whole model whatever the budget says, `corpus` holds the texts whose words
    a trimmed vocabulary keeps. `dimensions` is how many channels of an embedding are kept;
    `token_vectors` asks for the encoder's vector of each token, in place of the model's head.
    `table_bits` and `wide` change files with narrow weights: bits of the word table, and the layers
    and matrices that have 4 bits where the recipe has 2.
    `rounding` is how int8 matrices with calibrated scales are rounded.
    `auto_lengths` buckets are chosen for the user's texts, in place of `lengths`.
    Without `emulate`, latency and energy are not looked at. `structure` is the file of a
    sub-network to be built. What a search chooses learns from the whole model for `tune` minutes,
    on the sentences of `tune_text`.
    """

    profile: str
    model: str | None = None
    tokenizer: str | None = None
    via: str | None = None
    recipes: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    auto_lengths: int | None = None
    out: str = DEFAULT_OUT
    calibration: str | None = None
    calibration_count: int = DEFAULT_COUNT
    seed: int = 0
    data: tuple[str, ...] = ()
    dimensions: int | None = None
    token_vectors: bool = False
    float_output: bool = False
    table_bits: int | None = None
    wide: tuple[str, ...] = ()
    rounding: Rounding = Rounding.NEAREST
    max_size: int | None = None
    max_latency: float | None = None
    max_energy: float | None = None
    min_score: float | None = None
    unpruned: bool = False
    corpus: str | None = None
    emulate: bool = True
    evaluations: int = EVALUATIONS
    workers: int = 1
    scheduler: str | None = None
    structure: str | None = None
    tune: float | None = None
    tune_text: tuple[str, ...] = ()

    @property
    def limits(self) -> dict[str, float]:
        """The limits that the user gave, by their names in a budget."""
        limits = {
            "size_bytes": self.max_size,
            "latency_ms": self.max_latency,
            "energy_mj": self.max_energy,
            "min_score": self.min_score,
        }
        return {name: value for name, value in limits.items() if value is not None}

    @property
    def effort(self) -> SearchEffort:
        """The effort of a search; InputError for a seed or a number that cannot be."""
        return search_effort(self.seed, self.evaluations)

    @property
    def folder(self) -> Path:
        """The folder of the bundle."""
        return Path(self.out) / profiles.bundle_name(self.profile)

    def merge_budget(self, budget: Budget) -> Budget:
        """`budget`, a profile's, with the user's limits over it."""
        return msgspec.structs.replace(budget, **self.limits)
