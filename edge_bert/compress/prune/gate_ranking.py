"""Heads and neurons ranked by gates: what a loss says of each, in place of a matrix's error."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.compress.prune.allocate_sparsity import ErrorCurves
from edge_bert.compress.prune.covariance import Double
from edge_bert.compress.prune.importance import Importance, InputImportance
from edge_bert.compress.prune.obs import RemovalOrder


@dataclass(frozen=True)
class GateScores:
    """What it costs to close each gate, in units of the loss: for every layer, [heads] and
    [neurons]."""

    heads: tuple[Double, ...]
    neurons: tuple[Double, ...]


def rank_gates(importance: Importance, scores: GateScores) -> Importance:
    """`importance` with the order of the scores, least first; its moments serve the refit."""
    return Importance(
        heads=_reorder(importance.heads, scores.heads),
        neurons=_reorder(importance.neurons, scores.neurons),
    )


def sum_scores(scores: GateScores) -> ErrorCurves:
    """The error curves that follow where costs add up, which is what a diagonal Fisher matrix
    says (Kwon et al. 2022, arXiv:2204.09656)."""
    return ErrorCurves(
        heads=tuple(_order_gates(costs).errors for costs in scores.heads),
        neurons=tuple(_order_gates(costs).errors for costs in scores.neurons),
    )


def _reorder(
    inputs: Sequence[InputImportance], scores: Sequence[Double]
) -> tuple[InputImportance, ...]:
    return tuple(
        dataclasses.replace(ranked, removals=_order_gates(costs))
        for ranked, costs in zip(inputs, scores, strict=True)
    )


def _order_gates(costs: Double) -> RemovalOrder:
    order = np.argsort(costs, kind="stable")
    errors = np.concatenate([[0.0], np.cumsum(costs[order])])
    return RemovalOrder(tuple(order.tolist()), tuple(errors.tolist()))
