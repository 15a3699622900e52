"""Numbers against labelled ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import root_mean_squared_error

from edge_bert.errors import DataError
from edge_bert.evaluate.regression import score_numbers


def test_against_scipy_and_scikit_learn() -> None:
    """On random numbers with ties."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 200).astype(float)
    numbers = (labels + rng.normal(size=200)).round(1)
    rank, linear, error = score_numbers("d", numbers, labels.tolist())
    assert [score.metric for score in (rank, linear, error)] == ["spearman", "pearson", "rmse"]
    assert rank.value == pytest.approx(stats.spearmanr(numbers, labels).statistic, abs=1e-6)
    assert linear.value == pytest.approx(stats.pearsonr(numbers, labels).statistic, abs=1e-6)
    assert error.value == pytest.approx(root_mean_squared_error(labels, numbers), abs=1e-6)
    assert error.spread == pytest.approx(labels.std(), abs=1e-6)


def test_by_hand() -> None:
    """Two apart by one, two right: the root of one half."""
    assert score_numbers("d", np.array([1, 2, 3, 4]), [2, 3, 3, 4])[2].value == 0.707107


def test_equal_predictions_and_equal_labels() -> None:
    """A model that says always the same has no correlation; labels that do are at fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [score.value for score in score_numbers("d", np.ones(3), [1, 2, 3])][:2] == [0, 0]
    with pytest.raises(DataError, match="all scores are equal"):
        score_numbers("d", np.arange(3.0), [1, 1, 1])


def test_a_sigmoid_has_no_error_on_another_scale() -> None:
    """Labels from 0 to 5 are no probabilities; their order and spacing still agree."""
    outputs = np.array([0.1, 0.5, 0.9])
    names = [score.metric for score in score_numbers("d", outputs, [0, 2, 5], bounded=True)]
    assert names == ["spearman", "pearson"]
    assert len(score_numbers("d", outputs, [0, 0.5, 1], bounded=True)) == 3
