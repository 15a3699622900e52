"""A super-network learns: in each step the whole or the smallest, and some other sub-networks.

Requires: an encoder whose heads and neurons are sorted by importance, a grid of sub-networks, and
the outputs of the model that teaches. Ensures: the same structure, with the weights whose
sub-networks were best on held-out texts in the mean. Adds to the loss: what `losses` says, once for
each sub-network of a step. Frees: what `settings.freeze` does not name. Yu and Huang 2019
(arXiv:1903.05134).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from keras import ops

from edge_bert.compress.train import losses as loss_functions
from edge_bert.compress.train.backends.choose_backend import Batch, Objective
from edge_bert.compress.train.batches import BatchPlan, TokenizedTexts
from edge_bert.compress.train.distill import (
    OUTPUT,
    Lessons,
    list_targets,
    name_metric,
    score_student,
)
from edge_bert.compress.train.forward import ForwardPass
from edge_bert.compress.train.keras_student import build_student, read_weights
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.compress.train.objective import (
    LabelLoss,
    choose_label_loss,
    mask_tokens,
    sum_losses,
)
from edge_bert.compress.train.supernet.drawn_structures import (
    draw_structures,
    encode_structures,
    mean_held,
    read_changes,
)
from edge_bert.compress.train.training_task import TrainingTask
from edge_bert.encoder.keras_bert import EncoderValues, load_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.candidate import Structure
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.supernet import SubnetworkGrid
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings

RUNGS = 5  # sub-networks that are scored, from the smallest to the largest


@dataclass(frozen=True)
class Sandwich:
    """How a super-network learns: `drawn` random sub-networks a step beside one of its two ends.

    With `in_place` both ends are there, and the smaller ones learn what the largest gives in the
    same step, and nothing of labels; else all learn what the teacher gave, which the largest gives
    from the start.
    """

    grid: SubnetworkGrid
    drawn: int
    in_place: bool

    @property
    def rows(self) -> int:
        """The sub-networks of a step."""
        return self.drawn + (2 if self.in_place else 1)

    def draw(self, vocabulary: int, seed: int, plan: BatchPlan) -> list[Structure]:
        """The sub-networks of the step of `plan`."""
        return draw_structures(
            self.grid, vocabulary, self.drawn, seed, plan, both_ends=self.in_place
        )


@dataclass(frozen=True)
class TrainedSupernet:
    """The weights after training, the curve of the mean score, and the score of each rung."""

    weights: EncoderWeights
    curve: TrainingCurve
    rungs: tuple[tuple[Structure, float], ...]


class GatedPass:
    """The outputs of sub-networks of a Keras encoder, by one graph for all of them."""

    def __init__(self, model: Any, input_names: Sequence[str]) -> None:
        self._config = model.config
        self._forward = ForwardPass(
            model, input_names, changes=lambda batch: read_changes(model.config, batch, 0)
        )

    def run(self, texts: TokenizedTexts, structure: Structure) -> FloatArray:
        """The outputs [n, width] of a sub-network, with the weights that the model has now."""
        arrays = encode_structures(self._config, [structure])
        return self._forward.run(texts, further=arrays)["output"]


def train_supernet(
    weights: EncoderWeights,
    sandwich: Sandwich,
    trained: Lessons,
    held_out: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
    folder: Path,
    report: Report = no_report,
) -> TrainedSupernet:
    """Train `weights` for all sub-networks of the grid; the run lives in `folder`.

    Where training only made them worse on the held-out texts, the weights are those of the start.
    Raises what `train_model` raises.
    """
    model = build_student(weights, settings.freeze)
    score = _make_score(model, weights, sandwich.grid, held_out)
    task = TrainingTask(
        model=model,
        input_names=weights.input_names,
        texts=trained.texts,
        targets=list_targets(trained),
        objective=_make_objective(model, weights, sandwich, trained, settings, losses),
        score=lambda: float(np.mean([value for _, value in score()])),
        metric=f"mean {name_metric(held_out, weights.head.task)} of sub-networks",
        draw=lambda plan: encode_structures(
            weights.config, sandwich.draw(weights.config.vocabulary, settings.seed, plan)
        ),
    )
    curve = train_model(task, settings, folder, report)
    if curve.only_lost:
        load_weights(model, weights.arrays)
        return TrainedSupernet(weights, curve.return_to_start(), score())
    return TrainedSupernet(read_weights(model, weights), curve, score())


def _make_score(
    model: Any, weights: EncoderWeights, grid: SubnetworkGrid, held_out: Lessons
) -> Callable[[], tuple[tuple[Structure, float], ...]]:
    """Gives the held-out score of each rung with the weights that the model has then."""
    gated, task = GatedPass(model, weights.input_names), weights.head.task
    rungs = list(grid.list_rungs(RUNGS, weights.config.vocabulary))

    def score() -> tuple[tuple[Structure, float], ...]:
        outputs = ((rung, gated.run(held_out.texts, rung)) for rung in rungs)
        return tuple((rung, score_student(output, held_out, task)) for rung, output in outputs)

    return score


def _make_objective(
    model: Any,
    weights: EncoderWeights,
    sandwich: Sandwich,
    trained: Lessons,
    settings: TrainingSettings,
    losses: LossWeights,
) -> Objective:
    """The mean loss over the sub-networks of a step; rows of layers are compared where they are
    the last before a layer that the sub-network has."""
    names = weights.input_names
    label_loss = choose_label_loss(trained.labels, weights.head, settings.smoothing)
    of_output = msgspec.structs.replace(losses, hidden=0.0)

    def compute_loss(
        values: EncoderValues, batch: Batch, row: int, labels: LabelLoss | None
    ) -> Any:
        total = sum_losses(values, batch, of_output, labels)["loss"]
        if losses.hidden:
            total = total + losses.hidden * _compare_rows(values, batch, row)
        return total

    def objective(batch: Batch) -> dict[str, Any]:
        taught, labels, totals = batch, label_loss, []
        for row in range(sandwich.rows):
            changes = read_changes(weights.config, batch, row)
            values = model.run(**{name: batch[name] for name in names}, changes=changes)
            totals.append(compute_loss(values, taught, row, labels))
            if row == 0 and sandwich.in_place:
                taught, labels = {**batch, OUTPUT: ops.stop_gradient(values.output)}, None
        return {"loss": sum(totals) / len(totals)}

    return objective


def _compare_rows(values: EncoderValues, batch: Batch, row: int) -> Any:
    """The squared error of the rows after each layer that is held, in the mean."""
    length = batch["attention_mask"].shape[1]
    mask = mask_tokens(batch)
    errors = [
        loss_functions.hidden_error(
            ops.reshape(block.output, (-1, length, block.output.shape[-1])),
            batch[f"teacher.hidden.{layer}"],
            mask,
        )
        for layer, block in enumerate(values.blocks)
    ]
    return mean_held(errors, batch, row)
