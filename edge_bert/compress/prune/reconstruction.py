"""A pruned encoder brought back to the unpruned one, sublayer by sublayer, in closed form.

Requires: the pruned encoder, the unpruned one, and which of its layers were kept.
Ensures: nothing grows. The output matrix of every sublayer is fitted by least squares to what the
unpruned encoder has at the same point, given what the pruned one, reconstructed so far, feeds it.
So errors of earlier layers, and dropped layers, are made up for as far as a linear map can.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.compress.prune.covariance import RunningMoments
from edge_bert.compress.prune.importance import token_weights
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Batch, Sentence
from edge_bert.encoder.weights import DenseWeights, EncoderWeights, LayerWeights, Sublayer
from edge_bert.progress import Progress, no_progress
from edge_bert.records.checkpoint import FloatArray

# Of the inputs' mean variance: how strongly a fit keeps to the matrix that was there. With 0.02 it
# learns the calibration sentences by heart (docs/sizing.md).
RIDGE = 0.5
Rows = list[FloatArray]


def reconstruct_outputs(
    pruned: EncoderWeights,
    unpruned: EncoderWeights,
    kept_layers: Sequence[int],
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
) -> EncoderWeights:
    """The pruned encoder with its output matrices fitted to the unpruned one.

    `kept_layers` are the layers of the unpruned encoder that the pruned one has, rising; the FFN of
    each also stands for the dropped layers after it. It costs two runs of the sentences, inputs
    [1, n] by name, and the memory of one value of all their tokens in both encoders.
    """
    batches = list(numpy_forward.batch_by_length(sentences))
    rows = [numpy_forward.embed_tokens(pruned, batch).output for batch in batches]
    targets = [numpy_forward.embed_tokens(unpruned, batch).output for batch in batches]
    sublayers = [(layer, sublayer) for layer in unpruned.layers for sublayer in Sublayer]
    position = 0
    following = [*kept_layers[1:], unpruned.config.layers]
    for index, kept in enumerate(kept_layers):
        progress(f"reconstruction: layer {index + 1} of {len(kept_layers)}")
        # Attention stands for itself, the FFN for all up to the next layer that is kept.
        stops = {Sublayer.ATTENTION: 2 * kept + 1, Sublayer.FFN: 2 * following[index]}
        for sublayer, stop in stops.items():
            sums, targets = _run_sublayers(unpruned, sublayers[position:stop], batches, targets)
            position, norm = stop, sublayers[stop - 1][0].norm(sublayer)
            layer = pruned.layers[index].with_norm(sublayer, norm)
            layer, rows = _fit_output(pruned, layer, sublayer, batches, rows, sums)
            pruned = pruned.with_layer(index, layer)
    return pruned


def _run_sublayers(
    weights: EncoderWeights,
    sublayers: Sequence[tuple[LayerWeights, Sublayer]],
    batches: Sequence[Batch],
    rows: Rows,
) -> tuple[Rows, Rows]:
    """Run these sublayers; the input of the last LayerNorm, and its output."""
    sums, rows = list(rows), list(rows)
    for layer, sublayer in sublayers:
        for index, batch in enumerate(batches):
            values = numpy_forward.run_sublayer(
                weights.config, layer, sublayer, rows[index], batch.length
            )
            sums[index], rows[index] = values.norm.input, values.output
    return sums, rows


def _fit_output(
    weights: EncoderWeights,
    layer: LayerWeights,
    sublayer: Sublayer,
    batches: Sequence[Batch],
    rows: Rows,
    sums: Rows,
) -> tuple[LayerWeights, Rows]:
    """Fit the output matrix of a sublayer to `sums`; the layer, and the rows after the sublayer."""
    hidden = [
        numpy_forward.run_sublayer(weights.config, layer, sublayer, x, batch.length).hidden
        for x, batch in zip(rows, batches, strict=True)
    ]
    dense = _solve_ridge(layer.output(sublayer), hidden, rows, sums)
    layer = layer.with_output(sublayer, dense)
    return layer, [
        numpy_forward.finish_sublayer(weights.config, layer, sublayer, residual, x).output
        for residual, x in zip(rows, hidden, strict=True)
    ]


def _solve_ridge(dense: DenseWeights, hidden: Rows, residuals: Rows, sums: Rows) -> DenseWeights:
    """Ridge regression of `sums` less `residuals` on `hidden`, around the matrix that is there."""
    kernel, bias = dense.kernel, dense.bias
    moments = RunningMoments.of(len(kernel))
    products, errors = np.zeros(kernel.shape), np.zeros(len(bias))
    for x, residual, total in zip(hidden, residuals, sums, strict=True):
        strength = token_weights(total)
        moments.update(x, strength)
        error = (total - residual - (x @ kernel + bias)) * strength[:, None]
        products += x.T @ error
        errors += error.sum(axis=0, dtype=np.float64)
    mean_error = errors / moments.total
    cross = products / moments.total - np.outer(moments.mean, mean_error)
    change = np.linalg.solve(moments.covariance(RIDGE), cross)
    return DenseWeights(
        (kernel + change).astype(np.float32),
        (bias + mean_error - moments.mean @ change).astype(np.float32),
    )
