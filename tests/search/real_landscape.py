"""A real encoder made smaller: a tiny one, cut and rounded, scored against the whole one."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from pathlib import Path

import numpy as np

from edge_bert.compress.importance import Importance, measure
from edge_bert.compress.structure import shrink
from edge_bert.evaluate.agreement import agreement
from edge_bert.float_encoder import forward
from edge_bert.graph import export
from edge_bert.records.base import Record
from edge_bert.records.candidate import Candidate, Cost
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.encoder import EncoderWeights
from edge_bert.records.profile import Budget
from edge_bert.search.problem import Problem
from edge_bert.search.space import Space
from tests.quantize.integer import encoders
from tests.search import landscapes
from tests.tiny import models

LAYERS = 4
KEPT = ((0, 3), (0, 1, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3))
SPACE = Space(
    layers=KEPT,
    ffn=landscapes.alike((16, 24, 40, 64), KEPT),
    heads=landscapes.alike((2, 3, 4), KEPT),
    vocabulary=(400,),
    matrix_bits=((4,) * LAYERS, (8, 4, 4, 8), (8,) * LAYERS),
    embedding_bits=(4, 8),
    lengths=((64,),),
    recipes=("wi8_afp32",),
)
BUDGETS = tuple(Budget(size_bytes=size) for size in (22_000, 26_000, 31_000, 36_000))


class Nothing(Record, frozen=True):
    """There is one model, and it is made anew in every process."""


@functools.cache
def whole() -> tuple[EncoderWeights, Importance, FloatArray]:
    """A tiny BERT of four layers, what its parts are worth, and its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = models.checkpoint(
            Path(folder) / "model", "bert", "mean-normalize", num_hidden_layers=LAYERS
        )
        weights = export.encoder_weights(checkpoint)
    importance = measure(weights, encoders.sentences(weights, repeats=2, seed=0))
    return weights, importance, forward.outputs(weights, held_out(weights))


def held_out(weights: EncoderWeights) -> list[forward.Sentence]:
    """Sentences that nothing was measured on."""
    return encoders.sentences(weights, repeats=2, seed=1)


def size(_: Nothing, candidate: Candidate) -> Cost:
    """Bytes of the matrices and the word table."""
    hidden, total = models.HIDDEN, 400 * models.HIDDEN * candidate.embedding_bits // 8
    shape = candidate.structure
    for ffn, heads, bits in zip(shape.ffn, shape.heads, candidate.matrix_bits, strict=True):
        total += hidden * (4 * heads * 8 + 2 * ffn) * bits // 8
    return Cost(size_bytes=total)


@functools.cache
def score(_: Nothing, candidate: Candidate) -> float:
    """Mean agreement with the whole encoder."""
    weights, importance, expected = whole()
    smaller = shrink(weights, importance, candidate.structure)
    arrays = dict(smaller.arrays)
    for index, bits in enumerate(candidate.matrix_bits):
        for name in [name for name in arrays if name.startswith(f"layer.{index}.")]:
            if name.endswith(".kernel"):
                arrays[name] = rounded(arrays[name], bits, 0)
    table = "embeddings.word"
    arrays[table] = rounded(arrays[table], candidate.embedding_bits, 1)
    found = forward.outputs(dataclasses.replace(smaller, arrays=arrays), held_out(weights))
    return float(agreement(found, expected).mean())


def rounded(values: FloatArray, bits: int, axis: int) -> FloatArray:
    """Values as `bits` hold them with a scale for every slice across `axis`."""
    limit = 2 ** (bits - 1) - 1
    scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-9) / limit
    return (np.rint(values / scale) * scale).astype(np.float32)


def problem(budget: Budget) -> Problem[Nothing]:
    """The tiny encoder within `budget`."""
    return Problem("tiny", SPACE, budget, Nothing(), size, score, size)


def best(asked: Problem[Nothing]) -> tuple[float, int]:
    """By trying everything: the best score in the budget, and how many have the size for it."""
    limit = asked.budget.size_bytes or 0
    every = SPACE.candidates().values()
    fit = [each for each in every if size(asked.context, each).size_bytes <= limit]
    return max(score(asked.context, each) for each in fit), len(fit)
