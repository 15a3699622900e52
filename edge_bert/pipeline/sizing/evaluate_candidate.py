"""The evaluation of a candidate: its score, and its cost on the emulated phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, run_texts
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.build.verify_artifact import score_labels
from edge_bert.pipeline.sizing.emulated_cost import (
    CandidateFile,
    count_file,
    emulated_cost,
    write_candidate,
)
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.records.measurement import Measurement
from edge_bert.records.recipe import RECIPES, Recipe

if TYPE_CHECKING:
    from edge_bert.pipeline.sizing.session import SizingSession


def score_candidate(sizing: SizingSession, candidate: Candidate) -> float:
    """Agreement with the labels of the first data set, from -1 to 1; without one the mean cosine
    to the unpruned float model over held-out sentences."""
    with _built(sizing, candidate) as (session, file):
        subject = ModelUnderTest.of(file.path, session.checkpoint.head)
        tokenizer = session.tokenizer
        if session.evaluation_sets:
            labels = session.evaluation_sets[0]
            return score_labels(subject, labels, tokenizer, host_runtime())[0].value
        held_out = session.calibration.held_out
        outputs = run_texts(subject, tokenizer, held_out, host_runtime())
        return measure_drift(outputs, sizing.expected_outputs).cosine_mean


def measure_cost(sizing: SizingSession, candidate: Candidate) -> CandidateCost:
    """The size of the built file, and its emulated latency and energy at the budget's length."""
    with _built(sizing, candidate) as (session, file):
        size = file.path.stat().st_size
        if not session.options.emulate:
            return CandidateCost(size_bytes=size)
        return emulated_cost(count_file(session.profile, file), size)


def count_sized(session: BuildSession, recipe: Recipe) -> Measurement:
    """The measurement of a candidate's file, of the session that builds it; `measure_cost` takes
    latency and energy from the same."""
    data = artifacts.build_artifact(session, recipe, no_progress)
    with write_candidate(recipe, data) as file:
        return count_file(session.profile, file)


def count_unpruned(
    session: BuildSession, recipe: Recipe, progress: Progress = no_progress
) -> tuple[CandidateCost, Measurement]:
    """The cost of the unpruned model in `recipe` on the emulated phone, and its measurement.

    The file is the one that a build then takes.
    """
    data = artifacts.build_artifact(session, recipe, progress)
    progress(f"{recipe.name}: counting on the emulated phone, for the budget")
    with write_candidate(recipe, data) as file:
        measurement = count_file(session.profile, file)
        return emulated_cost(measurement, len(data)), measurement


@contextmanager
def _built(
    sizing: SizingSession, candidate: Candidate
) -> Iterator[tuple[BuildSession, CandidateFile]]:
    """The candidate's file, made or taken from the cache, for as long as it is looked at."""
    session, recipe = sizing.for_candidate(candidate), RECIPES[candidate.recipe]
    data = artifacts.build_artifact(session, recipe, no_progress)
    with write_candidate(recipe, data) as file:
        yield session, file
