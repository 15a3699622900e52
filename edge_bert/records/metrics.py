"""The metrics of labelled data: their names, and which direction is better."""

from __future__ import annotations

from typing import Literal, get_args

Metric = Literal[
    "spearman",
    "accuracy",
    "pearson",
    "rmse",
    "ndcg_at_10",
    "mrr_at_10",
    "mean_average_precision",
    "micro_f1",
    "entity_f1",
    "exact_match",
    "answer_f1",
]
METRICS: tuple[Metric, ...] = get_args(Metric)


def is_error(metric: Metric) -> bool:
    """Whether less of it is better, and its unit is that of the labels; all others are shares
    or correlations, of which more is better.
    """
    return metric == "rmse"
