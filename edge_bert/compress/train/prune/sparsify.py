"""Blocks of zeros by magnitude: the dense encoder teaches itself as its smallest blocks go.

Requires: matrices that are whole numbers of blocks. Ensures: the same structure, in which a share
of each matrix's blocks is 0. Adds to the loss: what distillation does. Frees: what
`settings.freeze` does not name, except the blocks that are 0. Zhu & Gupta 2017 (arXiv:1710.01878).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edge_bert.compress.prune.block_sparsity import SparsitySchedule, check_blocks
from edge_bert.compress.train.batches import steps_per_epoch
from edge_bert.compress.train.distill import Lessons, make_distillation
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings


def sparsify_encoder(
    weights: EncoderWeights,
    share: float,
    block: tuple[int, int],
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
) -> tuple[EncoderWeights, TrainingCurve]:
    """The encoder with a `share` of blocks [outputs, inputs] at 0, and the curve of the run.

    The best weights are chosen among those with all of the zeros. Raises InputError for blocks that
    do not fit, and what `train_model` raises.
    """
    from edge_bert.compress.train.keras_student import read_weights

    check_blocks(weights, block)
    steps = settings.epochs * steps_per_epoch(len(trained.texts), settings.batch_size)
    schedule = SparsitySchedule.of(share, block, steps)
    task = make_distillation(weights, trained, held_out, settings, losses)
    curve = train_model(dataclasses.replace(task, sparsity=schedule), settings, folder, report)
    return read_weights(task.model, weights), curve
