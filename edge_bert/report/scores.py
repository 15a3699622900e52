"""Scores on labelled data in words and figures, whichever their metric."""

from __future__ import annotations

from edge_bert.records.bundle import LabelScore
from edge_bert.records.metrics import Metric, is_error
from edge_bert.text import format_points, format_significant, signed_points

METRIC_WORDS: dict[Metric, str] = {
    "spearman": "Spearman",
    "accuracy": "accuracy",
    "pearson": "Pearson",
    "rmse": "RMSE",
    "ndcg_at_10": "NDCG@10",
    "mrr_at_10": "MRR@10",
    "mean_average_precision": "mean average precision",
    "micro_f1": "micro F1",
    "entity_f1": "entity F1",
    "exact_match": "exact match",
    "answer_f1": "answer F1",
}


def metric_title(metric: Metric) -> str:
    """The name of a metric where it begins a line."""
    words = METRIC_WORDS[metric]
    return words[0].upper() + words[1:]


def format_score(score: LabelScore) -> str:
    """Points of 100, or an error in the unit of its labels."""
    return _format_error(score.value) if is_error(score.metric) else format_points(score.value)


def format_change(score: LabelScore, reference: float) -> str:
    """The difference to `reference`, a score by the same metric, with its sign."""
    change = score.value - reference
    if not is_error(score.metric):
        return signed_points(change)
    sign = "+" if change > 0 else "\N{MINUS SIGN}" if change < 0 else "±"
    return sign + _format_error(abs(change))


def _format_error(value: float) -> str:
    """Three digits; two would hide what a recipe changes."""
    return f"{value:#.3g}" if 1e-3 <= value < 1e3 else format_significant(value)


def score_loss(score: LabelScore, reference: float) -> float:
    """By how much a score is worse than `reference`, in shares of 1; below 0 where it is better.

    An error is in shares of the spread of its labels.
    """
    if is_error(score.metric):
        return (score.value - reference) / (score.spread or 1.0)
    return reference - score.value


def describe_loss(score: LabelScore, reference: float) -> str:
    """How much worse than `reference` a score is, such as `3.20 points under float32`."""
    if is_error(score.metric):
        return f"float32's is {_format_error(reference)}"
    return f"{format_points(reference - score.value)} points under float32"
