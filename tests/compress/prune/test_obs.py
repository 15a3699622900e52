"""Elimination: which inputs of a matrix go first, and what the rest make of it."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.compress.prune.covariance import RunningMoments
from edge_bert.compress.prune.obs import RemovalOrder, order_removals
from edge_bert.compress.prune.refit import refit_kernel

INPUTS, OUTPUTS, TOKENS = 12, 5, 400


def activations(seed: int = 0) -> np.ndarray:
    """Correlated inputs [tokens, inputs] whose means are not 0."""
    random = np.random.RandomState(seed)
    mixed = random.standard_normal((TOKENS, INPUTS)) @ random.standard_normal((INPUTS, INPUTS))
    return (mixed + random.standard_normal(INPUTS)).astype(np.float32)


def moments_of(rows: np.ndarray, weights: np.ndarray | None = None) -> RunningMoments:
    """Their moments, seen in two parts."""
    weights = np.ones(len(rows), np.float32) if weights is None else weights
    found = RunningMoments.of(rows.shape[1])
    found.update(rows[:100], weights[:100])
    found.update(rows[100:], weights[100:])
    return found


def least_error(rows: np.ndarray, kernel: np.ndarray, kept: list[int]) -> float:
    """The mean squared error of the best kernel and bias for `kept`, by brute force."""
    wanted = rows.astype(np.float64) @ kernel
    inputs = np.hstack([rows[:, kept], np.ones((len(rows), 1))])
    found = inputs @ np.linalg.lstsq(inputs, wanted, rcond=None)[0]
    return float(np.square(found - wanted).sum(axis=1).mean())


@pytest.mark.parametrize("size", [1, 3])
def test_errors_are_those_of_the_best_fit(size: int) -> None:
    """After every step, the error is that of least squares with what is left."""
    rows, random = activations(), np.random.RandomState(1)
    kernel = random.standard_normal((INPUTS, OUTPUTS))
    found = order_removals(moments_of(rows).covariance(0.0), kernel, size, 1)
    assert sorted(found.order) == list(range(INPUTS // size))
    for gone in range(1, len(found.order)):
        groups = found.keep(len(found.order) - gone)
        kept = [group * size + at for group in groups for at in range(size)]
        assert found.errors[gone] == pytest.approx(least_error(rows, kernel, kept), rel=1e-3)


def test_the_first_to_go_is_the_one_that_costs_least() -> None:
    """Of all inputs, by brute force."""
    rows, random = activations(2), np.random.RandomState(3)
    kernel = random.standard_normal((INPUTS, OUTPUTS))
    errors = [
        least_error(rows, kernel, [each for each in range(INPUTS) if each != gone])
        for gone in range(INPUTS)
    ]
    found = order_removals(moments_of(rows).covariance(0.0), kernel, 1, 1)
    assert found.order[0] == int(np.argmin(errors))


def test_steps_of_several_take_all_and_never_fall() -> None:
    """Errors rise, one more than there are inputs, also where the last step is short."""
    kernel = np.random.RandomState(4).standard_normal((INPUTS, OUTPUTS))
    found = order_removals(moments_of(activations()).covariance(0.01), kernel, 1, 5)
    assert sorted(found.order) == list(range(INPUTS))
    assert len(found.errors) == INPUTS + 1
    assert found.errors[0] == 0
    assert (np.diff(found.errors) >= 0).all()


def test_kept_are_the_last_in_their_own_order() -> None:
    """What goes last is kept, sorted."""
    found = RemovalOrder(order=(2, 0, 3, 1), errors=(0, 1, 2, 3, 4))
    assert found.keep(3) == (0, 1, 3)
    assert found.keep(4) == (0, 1, 2, 3)


def test_a_copy_is_given_up_for_nothing() -> None:
    """A refit gives the output of all inputs where those that went were sums of the others."""
    rows = activations()
    rows = np.hstack([rows, rows[:, :4] * 2 + 1])
    kernel = np.random.RandomState(5).standard_normal((INPUTS + 4, OUTPUTS))
    moments = moments_of(rows)
    fitted, bias = refit_kernel(moments.covariance(1e-9), moments.mean, kernel, range(INPUTS))
    np.testing.assert_allclose(rows[:, :INPUTS] @ fitted + bias, rows @ kernel, atol=1e-3)


def test_tokens_count_by_their_weight() -> None:
    """A weight of 2 is as good as seeing a token twice."""
    rows = activations()
    twice = moments_of(np.vstack([rows, rows[:50]]))
    weights = np.ones(TOKENS, np.float32)
    weights[:50] = 2
    weighted = moments_of(rows, weights)
    np.testing.assert_allclose(weighted.mean, twice.mean, rtol=1e-4)
    np.testing.assert_allclose(weighted.covariance(0), twice.covariance(0), rtol=1e-3, atol=1e-3)
