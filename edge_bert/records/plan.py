"""A compression plan, and what each of its steps gave and cost: `compress.json`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.training import Seed, Share

FORMAT_VERSION = 2  # of compress.json; 1 had one recipe for all steps, and no bundle


class PlanStep(Record, frozen=True):
    """A step: the command that takes it alone, and that command's options by their names."""

    kind: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class PlanBuild(Record, frozen=True):
    """What a plan ends in: the bundle's recipe, beside float32, and its length buckets.

    Without a recipe it is that of the integers which the steps trained, else the first that the
    profile prefers. `lengths` empty are those of `invoke build`; "auto" or "auto:6" chooses as many
    for the texts. `table_bits` are those of the word table, where they are not the recipe's own.
    """

    recipe: str | None = None
    lengths: tuple[int, ...] | str = ()
    table_bits: int | None = None


class Plan(Record, frozen=True):
    """The steps of a compression in their order, and the `build` at their end.

    All of them leave the same share `held_out` of the data out, which `split_seed` draws.
    """

    steps: Annotated[tuple[PlanStep, ...], msgspec.Meta(min_length=1, max_length=32)]
    held_out: Share = 0.1
    split_seed: Seed = 0
    build: PlanBuild = PlanBuild()


class StepEffect(Record, frozen=True):
    """What a model's file of `recipe` scores and costs: the source, or what a step left of it.

    `score` is from -1 to 1 and absent for a model that does not have the data's classes yet.
    `instructions`, `latency_ms` and `energy_mj` are absent where nothing was counted; no energy is
    modelled for some cores.
    """

    name: str
    kind: str
    model_sha256: str
    size_bytes: Annotated[int, msgspec.Meta(gt=0)]
    score: float | None = None
    instructions: int | None = None
    latency_ms: float | None = None
    energy_mj: float | None = None
    training_seconds: float = 0.0
    recipe: str = ""


class EffectBasis(Record, frozen=True):
    """What all effects of a compression are taken on, so that they can be compared.

    `metric` is the score in words and `scored_on` the texts that it is of. The file is that of
    `recipe` until a step trains the integers of another. Its instructions are counted for `length`
    tokens on an emulated core of `profile`; `not_counted` says why they are not. `scaled_to` is the
    measured phone that latencies are scaled to.
    """

    metric: str
    scored_on: str
    profile: str
    recipe: str
    length: int
    not_counted: str | None = None
    scaled_to: str = ""


class LengthCost(Record, frozen=True):
    """What an inference of `length` tokens costs: counted on an emulated core, modelled from it."""

    length: int
    instructions: int
    latency_ms: float
    energy_mj: float | None = None


class ExpectedText(Record, frozen=True):
    """Mean cost of a text of `source` in the bundle's file, and in the whole model's float32."""

    source: str
    texts: int
    latency_ms: float
    energy_mj: float | None
    whole_latency_ms: float
    whole_energy_mj: float | None


class EarlyEnd(Record, frozen=True):
    """A bundle whose texts leave at exits by its rule: the plan's score, and the mean layers, of
    the texts that it is scored on; and what one of `texts` of `source` costs in expectation."""

    score: float | None = None
    layers: float | None = None
    source: str = ""
    texts: int = 0
    instructions: int | None = None
    latency_ms: float | None = None
    energy_mj: float | None = None


class BuiltEnd(Record, frozen=True):
    """The bundle that a plan ends in: its file, verified on `runtime`, scored and counted.

    `cosine` is the mean to the same model's float32 file over held-out sentences, `score` that
    of the plan. `whole_costs` are those of the whole model's float32 file at the same lengths;
    `early` is of a model with exits.
    """

    recipe: str
    file: str
    sha256: str
    size_bytes: Annotated[int, msgspec.Meta(gt=0)]
    lengths: tuple[int, ...]
    runtime: str
    status: str
    cosine: float | None
    score: float | None
    costs: tuple[LengthCost, ...] = ()
    whole_costs: tuple[LengthCost, ...] = ()
    expected: tuple[ExpectedText, ...] = ()
    early: EarlyEnd | None = None


class Compression(Record, frozen=True):
    """`compress.json` beside the model that a plan gave.

    `digest` is over the plan, the source and the data: the key of the result. `whole` is the
    float32 file of the model before anything made it smaller: the source, or what fine-tuning left
    of it. `built` is the end of the chain, absent where nothing was built.
    """

    format_version: int
    name: str
    plan_name: str
    plan: Plan
    digest: str
    basis: EffectBasis
    source: StepEffect
    steps: tuple[StepEffect, ...]
    whole: StepEffect | None = None
    built: BuiltEnd | None = None

    @property
    def effects(self) -> tuple[StepEffect, ...]:
        """The source, then what each step left."""
        return (self.source, *self.steps)


class PlanOutcome(Record, frozen=True):
    """A run of a training matrix: what it gave, or one line that says why it failed."""

    name: str
    plan_name: str
    model: str
    compression: Compression | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.compression is None) != bool(self.reason):
            raise ValueError("a run gave a model or has a reason why not")


class TrainingMatrix(Record, frozen=True):
    """`NAME-matrix.json`: several plans with several models, each once."""

    format_version: int
    name: str
    runs: tuple[PlanOutcome, ...]
