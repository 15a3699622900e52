"""A loss that training cannot go on from: no number, or far above what it was."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge_bert.compress.train.snapshots import TrainingState
from edge_bert.errors import TrainingError

EXPLODED = 1000.0  # times the mean of the steps before
LEAST_MEAN = 1e-3  # below which a mean says little: a loss can begin near 0


def check_loss(state: TrainingState, parts: Mapping[str, float]) -> None:
    """Raise TrainingError where the `loss` among the parts of a step after `state` is no number, or
    explodes beside the mean of the epoch so far, at its start that of the epoch before.
    """
    loss, usual = parts["loss"], _usual_loss(state)
    if math.isfinite(loss) and (usual is None or loss <= EXPLODED * max(usual, LEAST_MEAN)):
        return
    what = "explodes" if math.isfinite(loss) else "is no number"
    wrong = ", ".join(f"{name} {value:.3g}" for name, value in parts.items())
    raise TrainingError(
        f"The loss {what} at step {state.step + 1} ({wrong}); the last good snapshot is kept. Give "
        "a lower --learning-rate."
    )


def _usual_loss(state: TrainingState) -> float | None:
    if state.losses_of:
        return state.losses / state.losses_of
    return state.points[-1].loss if state.points else None
