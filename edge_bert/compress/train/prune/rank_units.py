"""Which heads and neurons can go: three kinds of importance, each with moments for the refit.

`obs` is the error of each matrix after the refit of what stays (prune/obs.py), `fisher` the
curvature of the distillation loss on texts, `taylor` the gradient of the loss on labels
(gate_directions.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_bert.compress.prune.allocate_sparsity import ErrorCurves, measure_curves
from edge_bert.compress.prune.gate_ranking import GateScores, rank_gates, sum_scores
from edge_bert.compress.prune.importance import Importance, measure_importance
from edge_bert.compress.train.batches import (
    Array,
    BatchPlan,
    TokenizedTexts,
    spread_rows,
    stack_inputs,
)
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress

ImportanceKind = Literal["obs", "fisher", "taylor"]
SENTENCES = 256  # whose moments are taken
GATED_TEXTS = 512  # whose gradients are taken


@dataclass(frozen=True)
class RankedUnits:
    """The order in which heads and neurons can go, and the scores of gates where it is theirs."""

    importance: Importance
    scores: GateScores | None = None


def rank_units(
    kind: ImportanceKind,
    weights: EncoderWeights,
    texts: TokenizedTexts,
    labels: Array | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> RankedUnits:
    """Heads and neurons by their importance on some of `texts`, evenly spread over all.

    `taylor` needs `labels` [n], below 0 where a text has none.
    """
    sentences = list_sentences(texts.spread(SENTENCES), weights.input_names)
    importance = measure_importance(weights, sentences, progress)
    if kind == "obs":
        return RankedUnits(importance)
    progress(f"importance: gradients of gates ({kind})")
    rows = np.arange(len(texts))
    if kind == "taylor" and labels is not None:
        rows = np.flatnonzero(labels >= 0)
    rows = rows[spread_rows(len(rows), GATED_TEXTS)]
    chosen = None if labels is None else labels[rows]
    scores = _score_gates(kind, weights, texts.select(rows), chosen, seed)
    return RankedUnits(rank_gates(importance, scores), scores)


def measure_error_curves(
    ranked: RankedUnits,
    weights: EncoderWeights,
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
) -> ErrorCurves:
    """What it costs each layer to lose heads and neurons: measured on `sentences`, or, by gates,
    the sums of their scores."""
    if ranked.scores is not None:
        return sum_scores(ranked.scores)
    return measure_curves(weights, ranked.importance, sentences, progress)


def list_sentences(texts: TokenizedTexts, input_names: Sequence[str]) -> list[Sentence]:
    """The texts as the numpy encoder takes them: inputs [1, n] by name, without padding."""
    plans = [BatchPlan(np.array([row]), int(length)) for row, length in enumerate(texts.lengths)]
    return [stack_inputs(texts, plan, 1, input_names) for plan in plans]


def _score_gates(
    kind: ImportanceKind,
    weights: EncoderWeights,
    texts: TokenizedTexts,
    labels: Array | None,
    seed: int,
) -> GateScores:
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student
    from edge_bert.compress.train.prune.gate_directions import fisher_directions, label_directions
    from edge_bert.compress.train.prune.gates import score_gates

    model, names = build_student(weights), weights.input_names
    outputs = ForwardPass(model, names).run(texts)["output"]
    if kind == "taylor":
        if labels is None:
            raise ValueError("first order needs labels")
        return score_gates(model, names, texts, label_directions(outputs, labels), power=1)
    directions = fisher_directions(outputs, weights.head.task, seed)
    return score_gates(model, names, texts, directions, power=2)
