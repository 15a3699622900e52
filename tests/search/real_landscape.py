"""Real encoders made smaller: tiny ones, cut and rounded, scored against the whole ones."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np

from edge_bert.compress.prune.importance import Importance, measure_importance
from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.evaluate.agreement import measure_agreement
from edge_bert.records.base import Record
from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Budget
from edge_bert.search.executors.in_process import InProcess
from edge_bert.search.problem import Problem, SearchEffort
from edge_bert.search.search import run_search
from edge_bert.search.space import Space
from tests.quantize.integer import encoders
from tests.search import landscapes
from tests.tiny import models

SHARES = (0.5, 0.65, 0.8, 0.95)  # of the candidates, that a budget's size leaves


class Model(Record, frozen=True):
    """A tiny encoder with random weights, made anew in every process."""

    architecture: str = "bert"
    seed: int = 0
    layers: int = 4


# Cut encoders answer differently to the same cut: these six differ in weights, depth and names.
MODELS = (
    Model(seed=0),
    Model(seed=1),
    Model(seed=2),
    Model(seed=3, layers=6),
    Model(seed=4, layers=6),
    Model("distilbert", seed=5),
)
KEPT = {
    4: ((0, 3), (0, 1, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3)),
    6: ((0, 5), (0, 3, 5), (0, 2, 4, 5), (0, 1, 3, 4, 5), (0, 1, 2, 3, 4, 5)),
}


def space(model: Model) -> Space:
    """Layers, neurons, heads and bits: all that makes a file of matrices smaller."""
    kept, layers = KEPT[model.layers], model.layers
    return Space(
        layers=kept,
        ffn=landscapes.alike((16, 24, 40, 64), kept),
        heads=landscapes.alike((2, 3, 4), kept),
        vocabulary=(400,),
        matrix_bits=((4,) * layers, (8,) + (4,) * (layers - 2) + (8,), (8,) * layers),
        embedding_bits=(4, 8),
        lengths=((64,),),
        recipes=("wi8_afp32",),
    )


def budgets(model: Model) -> list[Budget]:
    """Sizes that leave a half to nearly all of the candidates."""
    sizes = [size(model, each).size_bytes for each in space(model).candidates().values()]
    return [Budget(size_bytes=int(np.quantile(sizes, share))) for share in SHARES]


@functools.cache
def whole(model: Model) -> tuple[EncoderWeights, Importance, FloatArray]:
    """The encoder, what its parts are worth, and its outputs."""
    depth = "n_layers" if model.architecture == "distilbert" else "num_hidden_layers"
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = models.checkpoint(
            Path(folder) / "model",
            model.architecture,
            "mean-normalize",
            seed=model.seed,
            **{depth: model.layers},
        )
        weights = encoder_weights(checkpoint)
    importance = measure_importance(weights, encoders.sentences(weights, repeats=2, seed=0))
    return weights, importance, numpy_forward.run_encoder(weights, held_out(weights))


def held_out(weights: EncoderWeights) -> list[numpy_forward.Sentence]:
    """Sentences that nothing was measured on."""
    return encoders.sentences(weights, repeats=2, seed=1)


def size(_: Model, candidate: Candidate) -> CandidateCost:
    """Bytes of the matrices and the word table."""
    hidden, total = models.HIDDEN, 400 * models.HIDDEN * candidate.embedding_bits // 8
    shape = candidate.structure
    for ffn, heads, bits in zip(shape.ffn, shape.heads, candidate.matrix_bits, strict=True):
        total += hidden * (4 * heads * 8 + 2 * ffn) * bits // 8
    return CandidateCost(size_bytes=total)


@functools.cache
def score(model: Model, candidate: Candidate) -> float:
    """Mean agreement with the whole encoder."""
    weights, importance, expected = whole(model)
    smaller = prune_to_structure(weights, importance, candidate.structure)
    arrays = dict(smaller.arrays)
    for index, bits in enumerate(candidate.matrix_bits):
        for name in [name for name in arrays if name.startswith(f"layer.{index}.")]:
            if name.endswith(".kernel"):
                arrays[name] = rounded(arrays[name], bits, 0)
    table = "embeddings.word"
    arrays[table] = rounded(arrays[table], candidate.embedding_bits, 1)
    found = numpy_forward.run_encoder(replace_arrays(smaller, arrays), held_out(weights))
    return float(measure_agreement(found, expected).mean())


def rounded(values: FloatArray, bits: int, axis: int) -> FloatArray:
    """Values as `bits` hold them with a scale for every slice across `axis`."""
    limit = 2 ** (bits - 1) - 1
    scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-9) / limit
    return (np.rint(values / scale) * scale).astype(np.float32)


def problem(model: Model, budget: Budget) -> Problem[Model]:
    """`model` within `budget`."""
    return Problem("tiny", space(model), budget, model, size, score, size)


def best(asked: Problem[Model]) -> tuple[float, int]:
    """By trying everything: the best score in the budget, and how many have the size for it."""
    limit = asked.budget.size_bytes or 0
    every = asked.space.candidates().values()
    fit = [each for each in every if size(asked.context, each).size_bytes <= limit]
    return max(score(asked.context, each) for each in fit), len(fit)


def share(asked: Problem[Model], seed: int) -> tuple[float, int, int]:
    """Of the best score, what a search finds; from how many builds, of how many candidates."""
    most, count = best(asked)
    with tempfile.TemporaryDirectory() as folder:
        result = run_search(
            asked, InProcess(), Path(folder) / "journal", effort=SearchEffort(seed=seed)
        )
    assert result.chosen is not None
    assert result.chosen.score is not None
    return result.chosen.score / most, len(result.evaluated), count
