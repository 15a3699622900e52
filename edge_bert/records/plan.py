"""A compression plan, and what each of its steps gave and cost: `compress.json`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.training import Seed, Share

FORMAT_VERSION = 1


class PlanStep(Record, frozen=True):
    """A step: the command that takes it alone, and that command's options by their names."""

    kind: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Plan(Record, frozen=True):
    """The steps of a compression in their order.

    All of them leave the same share `held_out` of the data out, which `split_seed` draws.
    """

    steps: Annotated[tuple[PlanStep, ...], msgspec.Meta(min_length=1, max_length=32)]
    held_out: Share = 0.1
    split_seed: Seed = 0


class StepEffect(Record, frozen=True):
    """What a model scores and costs: the source, or what a step left of it.

    `score` is from -1 to 1 and absent for a model that does not have the data's classes yet.
    `instructions` and `latency_ms` are absent where nothing was counted.
    """

    name: str
    kind: str
    model_sha256: str
    size_bytes: Annotated[int, msgspec.Meta(gt=0)]
    score: float | None = None
    instructions: int | None = None
    latency_ms: float | None = None
    training_seconds: float = 0.0


class EffectBasis(Record, frozen=True):
    """What all effects of a compression are taken on, so that they can be compared.

    `metric` is the score in words and `scored_on` the texts that it is of. The file is that of
    `recipe`, its instructions are counted for `length` tokens on an emulated core of `profile`;
    `not_counted` says why they are not. `scaled_to` is the measured phone that latencies are scaled
    to.
    """

    metric: str
    scored_on: str
    profile: str
    recipe: str
    length: int
    not_counted: str | None = None
    scaled_to: str = ""


class Compression(Record, frozen=True):
    """`compress.json` beside the model that a plan gave.

    `digest` is over the plan, the source and the data: the key of the result.
    """

    format_version: int
    name: str
    plan_name: str
    plan: Plan
    digest: str
    basis: EffectBasis
    source: StepEffect
    steps: tuple[StepEffect, ...]

    @property
    def effects(self) -> tuple[StepEffect, ...]:
        """The source, then what each step left."""
        return (self.source, *self.steps)
