"""Agreement of numbers with labelled ones: rank and linear correlation, and the error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.errors import DataError
from edge_bert.records.bundle import LabelScore

Numbers = npt.NDArray[np.floating]


def score_numbers(
    dataset: str, predicted: Numbers, expected: Sequence[float], *, bounded: bool = False
) -> tuple[LabelScore, ...]:
    """Spearman's and Pearson's correlation and the root of the mean squared error, of numbers [n].

    Correlations are 0 where all predictions are equal. With `bounded`, predictions are from 0 to 1,
    and there is no error where the labels are on another scale. Raises DataError where all labels
    are equal.
    """
    numbers, labels = np.asarray(predicted, np.float64), np.asarray(expected, np.float64)
    if len(np.unique(labels)) < 2:
        raise DataError(f"{dataset}: all scores are equal; give rows with different scores.")
    count, spread = len(labels), float(labels.std())
    rank, linear = correlate(numbers, labels)
    scores = [
        LabelScore(dataset, "spearman", rank, count),
        LabelScore(dataset, "pearson", linear, count),
    ]
    if not bounded or (labels.min() >= 0 and labels.max() <= 1):
        error = float(np.sqrt(np.mean(np.square(numbers - labels))))
        scores.append(LabelScore(dataset, "rmse", round(error, 6), count, round(spread, 6)))
    return tuple(scores)


def correlate(numbers: Numbers, labels: Numbers) -> tuple[float, float]:
    """Spearman's and Pearson's correlation of two arrays [n]; 0 where all `numbers` are equal."""
    from scipy.stats import pearsonr, spearmanr

    if np.ptp(numbers) == 0:
        return 0.0, 0.0
    rank, linear = spearmanr(numbers, labels).statistic, pearsonr(numbers, labels).statistic
    return round(float(rank), 6), round(float(linear), 6)
