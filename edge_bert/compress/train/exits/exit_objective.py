"""What exits learn: the whole model's answers, and labels; later exits count more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from edge_bert.compress.train import losses
from edge_bert.compress.train.backends.choose_backend import Batch
from edge_bert.compress.train.objective import (
    LabelLoss,
    label_loss_of,
    leave_out_unlabelled,
)
from edge_bert.records.checkpoint import Head
from edge_bert.records.training import LossWeights


def weigh_depths(after: Sequence[int]) -> list[float]:
    """The weight of each exit's loss: its share of the layers of all (PABEE, arXiv:2006.04152)."""
    total = sum(after)
    return [layers / total for layers in after]


def make_label_loss(head: Head, smoothing: float) -> LabelLoss:
    """The loss on the labels of those texts that have one."""
    return leave_out_unlabelled(label_loss_of(head, smoothing))


def answer_losses(
    output: Any, taught: Any, batch: Batch, weights: LossWeights, label_loss: LabelLoss | None
) -> dict[str, tuple[float, Any]]:
    """The losses of one exit's answers [batch, width] by name, each with its weight.

    `taught` are the whole model's answers, which the exit is distilled from (Hinton et al.,
    arXiv:1503.02531; from the last exit as in arXiv:1905.08094); labels are those of the texts.
    """
    present = batch["present"]
    parts: dict[str, tuple[float, Any]] = {}
    if weights.labels and label_loss is not None:
        parts["labels"] = weights.labels, label_loss(output, batch)
    if weights.soft_targets:
        divergence = losses.soft_targets(output, taught, present, weights.temperature)
        parts["soft_targets"] = weights.soft_targets, divergence
    if weights.cosine:
        parts["cosine"] = weights.cosine, losses.cosine_distance(output, taught, present)
    if weights.similarity:
        parts["similarity"] = weights.similarity, losses.similarity_error(output, taught, present)
    return parts


def sum_losses(
    answers: Sequence[dict[str, tuple[float, Any]]], depths: Sequence[float]
) -> dict[str, Any]:
    """The losses of all exits by name, weighted by depth, and their sum as `loss`."""
    parts: dict[str, Any] = {}
    loss = ops.zeros(())
    for depth, named in zip(depths, answers, strict=True):
        for name, (weight, value) in named.items():
            parts[name] = parts.get(name, 0.0) + depth * value
            loss = loss + depth * weight * value
    return parts | {"loss": loss}
