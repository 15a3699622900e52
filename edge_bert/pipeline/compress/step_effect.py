"""What a model of a plan scores and costs, measured on its built file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from edge_bert.devices.emulator.cpu_files import find_cluster
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.choices.chosen_bits import HYBRID
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.compress.scoring import Scoring
from edge_bert.pipeline.sizing.cost_bounds import budget_length
from edge_bert.pipeline.sizing.emulated_cost import count_file, emulated_cost, write_candidate
from edge_bert.pipeline.sizing.fit_to_budget import why_not_emulated
from edge_bert.progress import Progress
from edge_bert.records.measurement import Measurement
from edge_bert.records.plan import EffectBasis, LengthCost, StepEffect
from edge_bert.records.recipe import RECIPES


@dataclass(frozen=True)
class MeasuredModel:
    """What is known of a model before it is measured: its row's name, its kind, its training."""

    name: str
    kind: str
    training_seconds: float = 0.0


@dataclass(frozen=True)
class FileChoice:
    """How the files of all models of a plan are built: for which device, with which buckets, or how
    many of them, calibrated on which sentences (None: ours), and with how many bits in the word
    table (None: the recipe's own)."""

    profile: str
    lengths: tuple[int, ...] = ()
    auto_lengths: int | None = None
    calibration: str | None = None
    table_bits: int | None = None

    def open(self, model: str | None, recipe: str) -> BuildSession:
        """The session that builds a model in one recipe."""
        return BuildSession.open(self.options_for(model, (recipe,)))

    def options_for(self, model: str | None, recipes: tuple[str, ...]) -> BuildOptions:
        """The options of a build; files in float have their tables in float too."""
        narrows = any(RECIPES.get(recipe) in HYBRID for recipe in recipes)
        return BuildOptions(
            profile=self.profile,
            model=model,
            recipes=recipes,
            lengths=self.lengths,
            auto_lengths=self.auto_lengths,
            calibration=self.calibration,
            table_bits=self.table_bits if narrows else None,
        )

    def keep_lengths(self, session: BuildSession) -> FileChoice:
        """The same with the buckets that a session of it has, so that all models have these."""
        return dataclasses.replace(self, lengths=session.lengths, auto_lengths=None)


def describe_cost(measurement: Measurement, length: int, size: int) -> LengthCost:
    """The counted and modelled cost of the bucket of `length` of a file of `size` bytes.

    Raises ValueError for a measurement that was not counted.
    """
    if measurement.counts is None:
        raise ValueError("only a counted measurement has instructions")
    cost = emulated_cost(measurement, size)
    if cost.latency_ms is None:
        raise ValueError("a counted measurement has a modelled latency")
    return LengthCost(
        length=length,
        instructions=measurement.counts.total,
        latency_ms=cost.latency_ms,
        energy_mj=cost.energy_mj,
    )


def describe_basis(session: BuildSession, scoring: Scoring) -> EffectBasis:
    """What all effects are taken on; `session` is the source's."""
    return EffectBasis(
        metric=scoring.metric,
        scored_on=scoring.scored_on,
        profile=session.profile.name,
        recipe=session.recipes[0].name,
        length=budget_length(session.profile, session.lengths),
        not_counted=why_not_emulated(session.profile),
        scaled_to=find_cluster(session.profile, None).scaled_to,
    )


def measure_effect(
    session: BuildSession,
    model: MeasuredModel,
    scoring: Scoring,
    progress: Progress,
    *,
    count: bool,
) -> StepEffect:
    """Size and score of the model's file and, with `count`, its counted and modelled cost.

    The file is the one that a build then takes. Raises DeviceError where the emulator fails.
    """
    recipe = session.recipes[0]
    data = artifacts.build_artifact(session, recipe, progress)
    with write_candidate(recipe, data) as file:
        subject = ModelUnderTest.of(file.path, session.checkpoint.head, data)
        progress(f"{model.name}: scoring")
        score = scoring.score(subject, session.tokenizer)
        measurement = None
        if count:
            progress(f"{model.name}: counting on the emulated phone")
            measurement = count_file(session.profile, file)
    return _describe_effect(session, model, len(data), score, measurement)


def _describe_effect(
    session: BuildSession,
    model: MeasuredModel,
    size: int,
    score: float | None,
    measurement: Measurement | None,
) -> StepEffect:
    counts = measurement.counts if measurement else None
    cost = emulated_cost(measurement, size) if measurement else None
    return StepEffect(
        name=model.name,
        kind=model.kind,
        model_sha256=session.checkpoint.sha256,
        size_bytes=size,
        score=score,
        instructions=counts.total if counts else None,
        latency_ms=cost.latency_ms if cost else None,
        energy_mj=cost.energy_mj if cost else None,
        training_seconds=model.training_seconds,
        recipe=session.recipes[0].name,
    )
