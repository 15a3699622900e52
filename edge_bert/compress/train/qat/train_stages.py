"""Several trainings one after the other, each with fewer integers than the one before.

Weights that are rounded from 4 to 3 to 2 bits lose less on the way than at once: each stage starts
from the float weights that the one before ended with (as in BinaryBERT, Bai et al. 2021,
arXiv:2012.15701, which splits ternary weights).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.compress.train.qat.fake_quant_config import FakeQuantConfig, resize_matrices
from edge_bert.compress.train.qat.train_quantized import QuantizedEncoder, train_quantized
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.training import LossWeights, QatStage, TrainingSettings
from edge_bert.records.weight_grid import Width


@dataclass(frozen=True)
class Stage:
    """The width of the layers' narrowest matrices, and how they are trained."""

    width: Width
    settings: TrainingSettings


def train_stages(
    weights: EncoderWeights,
    config: FakeQuantConfig,
    stages: Sequence[Stage],
    lessons: tuple[Lessons, Lessons],
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
    progress: Progress = no_progress,
    scales: Mapping[str, FloatArray] | None = None,
) -> tuple[QuantizedEncoder, tuple[QatStage, ...]]:
    """What the last stage leaves, and what came of each; `folder` is the run's own.

    `lessons` are learned, and held out. The first stage starts from `scales`, where it has some. A
    stage that has ended there is not repeated, and one that was cut short goes on. Raises what
    `train_quantized` raises.
    """
    records = []
    for number, stage in enumerate(stages, start=1):
        progress(f"stage {number} of {len(stages)}: width {stage.width.value}")
        trained = train_quantized(
            weights,
            resize_matrices(config, stage.width),
            *lessons,
            stage.settings,
            losses,
            folder / f"stage-{number}",
            report,
            scales if number == 1 else None,
        )
        weights, curve = trained.latent, trained.curve
        seconds = curve.points[-1].seconds
        records.append(QatStage(stage.width.value, curve.start_score, curve.best_score, seconds))
    return trained, tuple(records)
