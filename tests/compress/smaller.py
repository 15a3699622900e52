"""Tiny encoders with parts that can go: what the tests of compress share."""

from __future__ import annotations

import functools

import numpy as np

from edge_bert.compress.prune.importance import Importance, measure_importance
from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.candidate import Structure
from tests.quantize.integer import encoders as tiny

RAGGED = Structure(layers=(0, 1), ffn=(96, 37), heads=(3, 2), vocabulary=100)


@functools.cache
def sentences_of(architecture: str, head: str = "mean", seed: int = 0) -> list[Sentence]:
    """Calibration sentences (seed 0) or others for a tiny model."""
    return tiny.sentences(tiny.weights_of(architecture, head), repeats=12, seed=seed)


@functools.cache
def importance_of(architecture: str) -> Importance:
    """The importance of a tiny model, measured once: the layers are the same below any head."""
    return measure_importance(tiny.weights_of(architecture), sentences_of(architecture))


@functools.cache
def ragged(architecture: str, head: str = "mean") -> EncoderWeights:
    """A tiny model whose two layers differ in heads and neurons; not to be changed."""
    return prune_to_structure(
        tiny.weights_of(architecture, head), importance_of(architecture), RAGGED
    )


def with_twins(weights: EncoderWeights) -> EncoderWeights:
    """The encoder with every second neuron a copy of the one before it: half can go for nothing."""
    arrays = {name: array.copy() for name, array in weights.arrays.items()}
    for index in range(weights.config.layers):
        for part in ("kernel", "bias"):
            rise = arrays[f"layer.{index}.ffn_in.{part}"]
            rise[..., 1::2] = rise[..., 0::2]
    return replace_arrays(weights, arrays)


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of any output."""
    return float(np.abs(found - expected).max())
