"""What a model of a plan scores and costs, measured on its built file."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bert.devices.emulator.cpu_files import find_cluster
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.scoring import Scoring
from edge_bert.pipeline.sizing.cost_bounds import budget_length
from edge_bert.pipeline.sizing.emulated_cost import count_file, emulated_cost, write_candidate
from edge_bert.pipeline.sizing.fit_to_budget import why_not_emulated
from edge_bert.progress import Progress
from edge_bert.records.measurement import Measurement
from edge_bert.records.plan import EffectBasis, StepEffect


@dataclass(frozen=True)
class MeasuredModel:
    """What is known of a model before it is measured: its row's name, its kind, its training."""

    name: str
    kind: str
    training_seconds: float = 0.0


def open_model(options: CompressOptions, model: str | None) -> BuildSession:
    """The session that builds a model of the plan in the recipe that all are compared in."""
    return BuildSession.open(
        BuildOptions(profile=options.profile, model=model, recipes=(options.recipe,))
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
    return StepEffect(
        name=model.name,
        kind=model.kind,
        model_sha256=session.checkpoint.sha256,
        size_bytes=size,
        score=score,
        instructions=counts.total if counts else None,
        latency_ms=emulated_cost(measurement, size).latency_ms if measurement else None,
        training_seconds=model.training_seconds,
    )
