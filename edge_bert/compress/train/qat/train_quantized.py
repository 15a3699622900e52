"""Quantization-aware training: an encoder learns to give what it gave in float, on its grids.

Requires: float weights, and their own outputs on texts. Ensures: the same structure, with every
matrix and table of the configuration on its grid, as it was nearest to the float encoder on
held-out texts. Adds to the loss: what distillation does. Frees: the layers and the scales; tables
stay on the grid that they start on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_bert.compress.train.distill import Lessons, make_distillation
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.compress.train.qat.fake_quant_config import FakeQuantConfig
from edge_bert.compress.train.qat.quantized_student import (
    GridWeights,
    read_grid_weights,
    wrap_student,
)
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings


@dataclass(frozen=True)
class QuantizedEncoder:
    """What training leaves: weights on their grids, and the float ones that a next step goes on
    from.
    """

    grid: GridWeights
    latent: EncoderWeights
    curve: TrainingCurve


def train_quantized(
    weights: EncoderWeights,
    config: FakeQuantConfig,
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
    scales: Mapping[str, FloatArray] | None = None,
) -> QuantizedEncoder:
    """Train `weights`, whose tables lie on their grids, in the run's own `folder`.

    `scales` are those to start from, by the names of kernels; others start at the least error.
    Where training only made it worse on the held-out texts, it is the start that is left. Raises
    what `train_model` raises, and TrainingError for a scale that is none.
    """
    from edge_bert.compress.train.keras_student import read_weights

    task = make_distillation(weights, trained, held_out, settings, losses)
    wrap_student(task.model, config, scales)
    start = read_grid_weights(task.model, weights, config)
    curve = train_model(task, settings, folder, report)
    if curve.only_lost:
        return QuantizedEncoder(start, weights, curve.return_to_start())
    grid = read_grid_weights(task.model, weights, config)
    return QuantizedEncoder(grid, read_weights(task.model, weights), curve)
