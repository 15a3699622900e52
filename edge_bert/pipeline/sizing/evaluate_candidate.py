"""What the search builds a candidate for: its score, and its cost on the emulated phone."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge_bert.encoder import numpy_forward
from edge_bert.evaluate.drift import measure_drift
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.build import host_runtime
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.pipeline.build.run_signatures import ModelUnderTest, finished_outputs
from edge_bert.pipeline.build.scoring import score_model as labelled
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing import emulated_cost
from edge_bert.pipeline.sizing.candidate_session import candidate_session
from edge_bert.pipeline.sizing.emulated_cost import File
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.measurement import Measurement
from edge_bert.records.recipe import RECIPES, Recipe


def score_candidate(asked: BuildOptions, candidate: Candidate) -> float:
    """Agreement with the labels of the first data set, from -1 to 1; without one the mean cosine
    to the whole float model over held-out sentences."""
    with _built(asked, candidate) as (request, file):
        subject = ModelUnderTest.of(file.path, request.checkpoint.head)
        tokenizer = artifacts.session_tokenizer(request)

        def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
            encodings = tokenizer.encode_batch(texts, pairs)
            return finished_outputs(subject, encodings, tokenizer.pad_id, host_runtime())

        if request.data:
            return labelled(request.data[0], request.checkpoint.head, outputs_of).value
        return measure_drift(
            outputs_of(request.calibration.held_out, None), reference_outputs(asked)
        ).cosine_mean


@functools.lru_cache(maxsize=1)
def reference_outputs(asked: BuildOptions) -> FloatArray:
    """What the whole float model gives for the held-out sentences."""
    whole = open_session(asked)
    rows = artifacts.encode_inputs(whole, whole.calibration.held_out)
    return finish_outputs(
        numpy_forward.run_encoder(artifacts.session_weights(whole), rows), whole.checkpoint.head
    )


def measure_cost(asked: BuildOptions, candidate: Candidate) -> CandidateCost:
    """The size of the built file, and its latency and energy at the budget's length on the
    emulated phone, if `asked` emulates."""
    with _built(asked, candidate) as (request, file):
        size = file.path.stat().st_size
        if not asked.emulates:
            return CandidateCost(size_bytes=size)
        return emulated_cost.cost_of(emulated_cost.count_file(request.profile, file), size)


def count_candidate(asked: BuildOptions, candidate: Candidate) -> Measurement:
    """What `cost` was taken from, where `asked` emulates."""
    with _built(asked, candidate) as (request, file):
        return emulated_cost.count_file(request.profile, file)


def whole_count(
    asked: BuildOptions, recipe: Recipe, progress: Progress = no_progress
) -> tuple[CandidateCost, Measurement]:
    """The cost of the whole model in `recipe` on the emulated phone, and what it was taken from.

    The file is the one that a build then takes.
    """
    request = open_session(asked)
    reference = artifacts.build_float_model(request, progress)
    data = artifacts.build_artifact(request, reference, recipe, progress)
    progress(f"{recipe.name}: counting on the emulated phone, for the budget")
    with emulated_cost.on_disk(recipe, data) as file:
        found = emulated_cost.count_file(request.profile, file)
        return emulated_cost.cost_of(found, len(data)), found


@contextmanager
def _built(asked: BuildOptions, candidate: Candidate) -> Iterator[tuple[BuildSession, File]]:
    """The candidate's file, made or taken from the cache, for as long as it is looked at."""
    request = candidate_session(asked, candidate)
    recipe = RECIPES[candidate.recipe]
    # A conversion by TensorFlow takes the longest of all, and some recipes can do without it.
    reference = (
        b"" if recipe.needs_calibration else artifacts.build_float_model(request, no_progress)
    )
    with emulated_cost.on_disk(
        recipe, artifacts.build_artifact(request, reference, recipe, no_progress)
    ) as file:
        yield request, file
