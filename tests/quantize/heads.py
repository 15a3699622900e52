"""Heads of every kind on a tiny encoder, for the recipes with calibrated integers and ONNX."""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_bert.encoder.weights import EncoderWeights, HeadDense, HeadLayer, HeadNorm, HeadUnit
from edge_bert.records.checkpoint import Head, Pooling, Task
from tests.quantize.integer.encoders import weights_of

HIDDEN = 32
FULL_INTEGER = {
    "max": ((Pooling.MAX,), "", None),
    "last": ((Pooling.LAST,), "", None),
    "mean-sqrt": ((Pooling.MEAN_SQRT_LENGTH,), "", None),
    "cut": ((Pooling.MEAN,), "", 12),
    "max-cut": ((Pooling.MAX,), "", 12),
    "dense": ((Pooling.MEAN,), "tanh", None),
    "two-dense": ((Pooling.MEAN,), "gelu sigmoid", None),
    "max-dense": ((Pooling.MAX,), "linear", None),
    "cls-relu-cut": ((Pooling.CLS,), "relu", 8),
    "joined": ((Pooling.CLS, Pooling.MEAN), "", None),
    "three-joined-cut": ((Pooling.MAX, Pooling.MEAN, Pooling.LAST), "", 80),
    "joined-dense": ((Pooling.MEAN, Pooling.MAX), "tanh", None),
}
MIXED = {
    "weighted": ((Pooling.WEIGHTED_MEAN,), "", None),
    "norm": ((Pooling.MEAN,), "norm", None),
    "unit-cut": ((Pooling.MEAN,), "unit", 12),
    "dense-norm-dense": ((Pooling.MAX,), "gelu norm tanh", None),
    "all": (tuple(Pooling), "norm unit tanh", 16),
}
HEADS = FULL_INTEGER | MIXED


def head_of(name: str, *, outliers: bool = False, normalize: bool = False) -> EncoderWeights:
    """The tiny BERT with the head of this name."""
    poolings, layers, dimensions = HEADS[name]
    weights = weights_of("bert", "mean", outliers=outliers)
    head = Head(Task.EMBEDDING, poolings, normalize, dimensions=dimensions)
    made = _layers(layers.split(), HIDDEN * len(poolings))
    return dataclasses.replace(weights, head=head, head_layers=made)


def _layers(kinds: list[str], width: int) -> tuple[HeadLayer, ...]:
    random, layers = np.random.RandomState(5), []
    for kind in kinds:
        if kind == "norm":
            gamma, beta = random.uniform(0.5, 1.5, width), random.uniform(-0.5, 0.5, width)
            layers.append(HeadNorm(gamma.astype(np.float32), beta.astype(np.float32)))
        elif kind == "unit":
            layers.append(HeadUnit())
        else:
            kernel = random.uniform(-1, 1, (width, 24)) * 2 / width**0.5
            bias = random.uniform(-0.5, 0.5, 24)
            layers.append(HeadDense(kernel.astype(np.float32), bias.astype(np.float32), kind))
            width = 24
    return tuple(layers)
