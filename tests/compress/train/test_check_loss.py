"""A loss that training cannot go on from."""

from __future__ import annotations

import math

import pytest

from edge_bert.compress.train.check_loss import check_loss
from edge_bert.compress.train.snapshots import TrainingState
from edge_bert.errors import TrainingError
from edge_bert.records.training import CurvePoint
from tests.one_line import refused

LAST = (CurvePoint(step=9, loss=0.5, score=0.1, seconds=1.0),)


@pytest.mark.parametrize(
    "state",
    [
        TrainingState(step=9, points=LAST),
        TrainingState(step=9, points=LAST, losses=1.0, losses_of=2),
    ],
)
def test_a_loss_a_thousand_times_the_mean_ends_the_run(state: TrainingState) -> None:
    """Of the epoch so far, at its start of the epoch before."""
    check_loss(state, {"loss": 499.0})
    with refused(TrainingError, r"explodes at step 10 \(loss 501\).*--learning-rate"):
        check_loss(state, {"loss": 501.0})


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    """With its parts."""
    parts = {"cosine": math.nan, "loss": math.nan}
    with refused(TrainingError, r"no number at step 1 \(cosine nan, loss nan\)"):
        check_loss(TrainingState(), parts)


def test_a_first_loss_may_be_large_and_a_small_one_may_grow() -> None:
    """Nothing is known at first, and a start near 0 is no measure."""
    check_loss(TrainingState(), {"loss": 1e9})
    check_loss(TrainingState(step=1, losses=1e-7, losses_of=1), {"loss": 0.9})
