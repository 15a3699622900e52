"""What the search builds a candidate for: its score, and its cost on the emulated phone."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge_bert.encoder import numpy_forward
from edge_bert.evaluate.drift import drift
from edge_bert.evaluate.outputs import finish
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.build import host_runtime
from edge_bert.pipeline.build.options import Asked, request_of
from edge_bert.pipeline.build.run_signatures import Subject, outputs
from edge_bert.pipeline.build.scoring import score as labelled
from edge_bert.pipeline.build.session import BuildRequest
from edge_bert.pipeline.sizing import emulated_cost
from edge_bert.pipeline.sizing.candidate_session import request_for
from edge_bert.pipeline.sizing.emulated_cost import File
from edge_bert.progress import Progress, silent
from edge_bert.records.candidate import Candidate, Cost
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.measurement import Measurement
from edge_bert.records.recipe import RECIPES, Recipe


def score(asked: Asked, candidate: Candidate) -> float:
    """Agreement with the labels of the first data set, from -1 to 1; without one the mean cosine
    to the whole float model over held-out sentences."""
    with _built(asked, candidate) as (request, file):
        subject = Subject.of(file.path, request.checkpoint.head)
        tokenizer = artifacts.tokenizer_of(request)

        def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
            encodings = tokenizer.encode_batch(texts, pairs)
            return outputs(subject, encodings, tokenizer.pad_id, host_runtime())

        if request.data:
            return labelled(request.data[0], request.checkpoint.head, outputs_of).value
        return drift(outputs_of(request.calibration.held_out, None), expected(asked)).cosine_mean


@functools.lru_cache(maxsize=1)
def expected(asked: Asked) -> FloatArray:
    """What the whole float model gives for the held-out sentences."""
    whole = request_of(asked)
    rows = artifacts.inputs_of(whole, whole.calibration.held_out)
    return finish(numpy_forward.outputs(artifacts.weights_of(whole), rows), whole.checkpoint.head)


def cost(asked: Asked, candidate: Candidate) -> Cost:
    """The size of the built file, and its latency and energy at the budget's length on the
    emulated phone, if `asked` emulates."""
    with _built(asked, candidate) as (request, file):
        size = file.path.stat().st_size
        if not asked.emulates:
            return Cost(size_bytes=size)
        return emulated_cost.cost_of(emulated_cost.counted(request.profile, file), size)


def count(asked: Asked, candidate: Candidate) -> Measurement:
    """What `cost` was taken from, where `asked` emulates."""
    with _built(asked, candidate) as (request, file):
        return emulated_cost.counted(request.profile, file)


def whole_count(
    asked: Asked, recipe: Recipe, progress: Progress = silent
) -> tuple[Cost, Measurement]:
    """The cost of the whole model in `recipe` on the emulated phone, and what it was taken from.

    The file is the one that a build then takes.
    """
    request = request_of(asked)
    reference = artifacts.float_model(request, progress)
    data = artifacts.artifact(request, reference, recipe, progress)
    progress(f"{recipe.name}: counting on the emulated phone, for the budget")
    with emulated_cost.on_disk(recipe, data) as file:
        found = emulated_cost.counted(request.profile, file)
        return emulated_cost.cost_of(found, len(data)), found


@contextmanager
def _built(asked: Asked, candidate: Candidate) -> Iterator[tuple[BuildRequest, File]]:
    """The candidate's file, made or taken from the cache, for as long as it is looked at."""
    request = request_for(asked, candidate)
    recipe = RECIPES[candidate.recipe]
    # A conversion by TensorFlow takes the longest of all, and some recipes can do without it.
    reference = b"" if recipe.needs_calibration else artifacts.float_model(request, silent)
    with emulated_cost.on_disk(
        recipe, artifacts.artifact(request, reference, recipe, silent)
    ) as file:
        yield request, file
