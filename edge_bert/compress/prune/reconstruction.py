"""A smaller encoder brought back to the whole one, half layer after half layer, in closed form.

Requires: the smaller encoder, the whole one, and which of its layers were kept.
Ensures: nothing grows. The output matrix of every half layer is fitted by least squares to what
the whole encoder has at the same place, given what the smaller one, corrected so far, feeds it.
So errors of earlier layers, and dropped layers, are made up for as far as a linear map can.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edge_bert.compress.prune.covariance import RunningMoments
from edge_bert.compress.prune.importance import half_inputs, output_of, token_weights
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Batch, Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress
from edge_bert.records.checkpoint import FloatArray

# Of the inputs' mean variance: how strongly a fit keeps to the matrix that was there. With 0.02 it
# learns the calibration sentences by heart (docs/sizing.md).
RIDGE = 0.5
HALVES = ("attention", "ffn")
Rows = list[FloatArray]


def reconstruct_outputs(
    smaller: EncoderWeights,
    whole: EncoderWeights,
    layers: Sequence[int],
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
) -> EncoderWeights:
    """The smaller encoder with its output matrices fitted to the whole one.

    `layers` are the whole encoder's layers that were kept, rising; the last half of each also
    stands for the dropped ones after it. It costs two runs of the sentences, inputs [1, n] by
    name, and holds what their tokens have at one place of both encoders.
    """
    batches = list(numpy_forward.batch_by_length(sentences))
    rows = [numpy_forward.embed_tokens(smaller, batch) for batch in batches]
    goals = [numpy_forward.embed_tokens(whole, batch) for batch in batches]
    done = 0
    for index, (layer, following) in enumerate(
        zip(layers, [*layers[1:], whole.config.layers], strict=True)
    ):
        progress(f"correction: layer {index + 1} of {len(layers)}")
        for half, last in (("attention", 2 * layer), ("ffn", 2 * following - 1)):
            totals, goals = _run(whole, batches, goals, range(done, last + 1))
            done = last + 1
            smaller = _with_norm(smaller, f"layer.{index}.{half}", whole, last)
            smaller, rows = _fit(smaller, index, half, batches, rows, totals)
    return smaller


def _run(
    weights: EncoderWeights, batches: Sequence[Batch], rows: Rows, halves: range
) -> tuple[Rows, Rows]:
    """Run half layers, numbered through; what the last LayerNorm takes and what it gives."""
    totals = rows
    for number in halves:
        index, half = number // 2, HALVES[number % 2]
        inputs = [
            half_inputs(weights, index, half, each, batch.length)
            for each, batch in zip(rows, batches, strict=True)
        ]
        totals, rows = _end(weights, index, half, inputs, rows)
    return totals, rows


def _end(
    weights: EncoderWeights, index: int, half: str, inputs: Rows, rows: Rows
) -> tuple[Rows, Rows]:
    """The output matrix, the residual and the LayerNorm of a half layer."""
    name = output_of(index, half)
    totals = [
        each + numpy_forward.apply_dense(weights, name, part)
        for each, part in zip(rows, inputs, strict=True)
    ]
    return totals, [
        numpy_forward.apply_layer_norm(weights, f"layer.{index}.{half}_norm", each)
        for each in totals
    ]


def _with_norm(
    smaller: EncoderWeights, name: str, whole: EncoderWeights, half: int
) -> EncoderWeights:
    """The LayerNorm of the half layer `name` becomes that of the one whose place it takes."""
    source = f"layer.{half // 2}.{HALVES[half % 2]}_norm"
    taken = {f"{name}_norm.{part}": whole.arrays[f"{source}.{part}"] for part in ("gamma", "beta")}
    return dataclasses.replace(smaller, arrays={**smaller.arrays, **taken})


def _fit(
    weights: EncoderWeights,
    index: int,
    half: str,
    batches: Sequence[Batch],
    rows: Rows,
    totals: Rows,
) -> tuple[EncoderWeights, Rows]:
    """Fit the output matrix of a half layer to `totals`; the encoder, and the rows after it."""
    name = output_of(index, half)
    inputs = [
        half_inputs(weights, index, half, each, batch.length)
        for each, batch in zip(rows, batches, strict=True)
    ]
    kernel, bias = weights.arrays[f"{name}.kernel"], weights.arrays[f"{name}.bias"]
    moments = RunningMoments.of(len(kernel))
    shared, missing = np.zeros(kernel.shape), np.zeros(len(bias))
    for part, each, total in zip(inputs, rows, totals, strict=True):
        strength = token_weights(total)
        moments.update(part, strength)
        error = (total - each - (part @ kernel + bias)) * strength[:, None]
        shared += part.T @ error
        missing += error.sum(axis=0, dtype=np.float64)
    missing /= moments.total
    cross = shared / moments.total - np.outer(moments.mean, missing)
    change = np.linalg.solve(moments.covariance(RIDGE), cross)
    fitted = {
        f"{name}.kernel": (kernel + change).astype(np.float32),
        f"{name}.bias": (bias + missing - moments.mean @ change).astype(np.float32),
    }
    weights = dataclasses.replace(weights, arrays={**weights.arrays, **fitted})
    return weights, _end(weights, index, half, inputs, rows)[1]
