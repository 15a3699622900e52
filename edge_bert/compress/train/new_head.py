"""A new head on an encoder: it starts where the labels of the texts put it, before any step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.encoder.weights import DenseWeights, EncoderWeights, HeadDense
from edge_bert.records.checkpoint import FloatArray, Head, Pooling, Task

SHARPNESS = 20.0  # of the first logits: a class's mean scores so much above what is unrelated
RIDGE = 1e-2  # of the mean square of a channel


def strip_head(weights: EncoderWeights) -> EncoderWeights:
    """The encoder with the vector of a text as output: what a new head reads.

    A classifier gives what its last layer reads, so that its other layers stay; an embedding model
    its first pooling; any other the mean of its tokens.
    """
    head = weights.head
    layers = weights.head_layers[:-1] if head.task is Task.CLASSIFICATION else ()
    poolings: tuple[Pooling, ...] = (Pooling.MEAN,)
    if head.task in (Task.CLASSIFICATION, Task.EMBEDDING):
        poolings = head.poolings if layers else head.poolings[:1]
    stripped = Head(Task.EMBEDDING, poolings, pools_prompt=head.pools_prompt)
    return dataclasses.replace(weights, head=stripped, head_layers=layers, output_name="embedding")


def strip_to_tokens(weights: EncoderWeights) -> EncoderWeights:
    """The encoder with the vectors of its tokens as output; nothing is pooled."""
    return dataclasses.replace(
        weights,
        head=Head(Task.TOKEN_EMBEDDING, ()),
        head_layers=(),
        input_names=tuple(name for name in weights.input_names if name != "pooling_mask"),
        output_name="token_embeddings",
    )


def add_layer(weights: EncoderWeights, head: Head, dense: DenseWeights) -> EncoderWeights:
    """The stripped encoder with a last layer whose outputs are the logits of `head`.

    What the head reads is what the stripped encoder gives.
    """
    reading = msgspec.structs.replace(
        head, poolings=weights.head.poolings, pools_prompt=weights.head.pools_prompt
    )
    layers = (*weights.head_layers, HeadDense(dense.kernel, dense.bias))
    return dataclasses.replace(weights, head=reading, head_layers=layers, output_name="logits")


def fit_targets(vectors: FloatArray, targets: FloatArray) -> DenseWeights:
    """The dense layer from vectors [n, hidden] that is nearest to targets [n, width].

    Least squares with a ridge, which makes a fair classifier of 0 and 1 too (Rifkin, Yeo and Poggio
    2003, Regularized least-squares classification).
    """
    rows, values = np.asarray(vectors, np.float64), np.asarray(targets, np.float64)
    centre, level = rows.mean(axis=0), values.mean(axis=0)
    rows = rows - centre
    gram = rows.T @ rows
    gram += np.eye(len(gram)) * max(RIDGE * np.trace(gram) / len(gram), 1e-9)
    kernel = np.linalg.solve(gram, rows.T @ (values - level))
    bias = level - centre @ kernel
    return DenseWeights(np.asarray(kernel, np.float32), np.asarray(bias, np.float32))


def scale_outputs(weights: EncoderWeights, factor: float, shift: float) -> EncoderWeights:
    """The encoder with outputs `factor` times as large, and then `shift` larger."""
    last = weights.head_layers[-1]
    if not isinstance(last, HeadDense):
        raise ValueError("the head does not end with a dense layer")
    scaled = dataclasses.replace(
        last,
        kernel=np.asarray(last.kernel * factor, np.float32),
        bias=np.asarray(last.bias * factor + shift, np.float32),
    )
    return dataclasses.replace(weights, head_layers=(*weights.head_layers[:-1], scaled))


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
    return add_layer(weights, head, DenseWeights(kernel, bias))
