"""Fine-tuning of a clustered encoder: which integers its codebooks should have.

Requires: an encoder whose matrices are clustered, and lessons of the one that it comes from.
Ensures: the same codebooks for the same weights, with the integers, scales of channels, biases and
LayerNorms that were nearest to the teacher on held-out texts. Adds to the loss: what distillation
does. Frees: the centroids but for the ends of the grid, and what `settings.freeze` does not name
but the matrices themselves; the word table's stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_bert.compress.cluster.cluster_matrix import ClusteredMatrix
from edge_bert.compress.train.distill import Lessons, make_distillation
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings


def tune_centroids(
    weights: EncoderWeights,
    matrices: Mapping[str, ClusteredMatrix],
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
) -> tuple[EncoderWeights, TrainingCurve]:
    """The clustered encoder after training, and the curve of the run, which lives in `folder`.

    `weights` are clustered, and `matrices` are theirs by the names of arrays. Where training only
    made it worse on the held-out texts, it is the encoder that it started with. Raises what
    `train_model` raises.
    """
    from edge_bert.compress.train.cluster.centroid_kernels import free_centroids, read_centroids
    from edge_bert.compress.train.keras_student import read_weights

    kernels = {name: matrix for name, matrix in matrices.items() if name.endswith(".kernel")}
    task = make_distillation(weights, trained, held_out, settings, losses)
    free_centroids(task.model, kernels)
    curve = train_model(task, settings, folder, report)
    start = curve.start_score
    if start is not None and start >= curve.best_score:
        return weights, curve.return_to_start()
    learned = read_centroids(task.model, kernels)
    values = {name: matrix.values for name, matrix in learned.items()}
    return replace_arrays(read_weights(task.model, weights), values), curve
