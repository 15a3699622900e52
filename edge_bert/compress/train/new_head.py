"""A new head on an encoder: a classifier that starts at the means of its classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.encoder.weights import EncoderWeights, HeadDense
from edge_bert.records.checkpoint import FloatArray, Head, Pooling, Task

SHARPNESS = 20.0  # of the first logits: a class's mean scores so much above what is unrelated


def strip_head(weights: EncoderWeights) -> EncoderWeights:
    """The encoder with the mean of its tokens as output: what a new head reads."""
    pooling = weights.head.poolings[0] if weights.head.task is Task.EMBEDDING else Pooling.MEAN
    head = Head(Task.EMBEDDING, (pooling,))
    return dataclasses.replace(weights, head=head, head_layers=(), output_name="embedding")


def add_classifier(
    weights: EncoderWeights,
    labels: Sequence[str],
    activation: str,
    vectors: FloatArray,
    classes: npt.NDArray[np.int32],
) -> EncoderWeights:
    """The stripped encoder with a dense layer that knows each class by the mean of its vectors.

    `vectors` [n, hidden] are the encoder's outputs for texts of `classes` [n]; a class without
    texts starts at zeros. Prototypes as in Snell et al. 2017 (arXiv:1703.05175).
    """
    length = float(np.linalg.norm(vectors, axis=1).mean())
    unit = normalize_rows(vectors)
    centred = unit - unit.mean(axis=0)
    means = np.zeros((len(labels), vectors.shape[1]), np.float32)
    for index in range(len(labels)):
        rows = centred[classes == index]
        means[index] = rows.mean(axis=0) if len(rows) else 0.0
    kernel = np.asarray(means.T * SHARPNESS / length, np.float32)
    bias = np.asarray(-(unit.mean(axis=0) @ means.T) * SHARPNESS, np.float32)
    head = Head(Task.CLASSIFICATION, weights.head.poolings, False, tuple(labels), activation)
    layers = (HeadDense(kernel, bias),)
    return dataclasses.replace(weights, head=head, head_layers=layers, output_name="logits")
