"""What stands between the weights of a head, recognized by what it makes of random numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.numpy_head import pool_tokens
from edge_bert.encoder.numpy_ops import apply_activation, normalize_rows, softmax
from edge_bert.records.checkpoint import FloatArray, Pooling
from edge_bert.sources.onnx.probe import TOLERANCE, relative_error

ACTIVATIONS = ("linear", "tanh", "relu", "gelu", "gelu_tanh", "sigmoid")
SOFTMAX = "softmax"
MAX_POOLINGS, MAX_COLUMNS = 4, 8
ROUNDING = 1e-5
POOLINGS = tuple(Pooling)


@dataclass(frozen=True)
class Step:
    """Rows to rows without weights.

    First the poolings, where there are any, then the activation, then `channels` of them from
    `first` on (all where it is None), then unit length. `unit_first` is unit length before the cut.
    """

    poolings: tuple[Pooling, ...] = ()
    activation: str = "linear"
    channels: int | None = None
    first: int = 0
    unit: bool = False
    unit_first: bool = False

    def apply(self, rows: FloatArray) -> FloatArray:
        """Tokens [sentences, tokens, channels] to rows; without poolings, any rows."""
        if self.poolings:
            rows = np.concatenate([pool_tokens(rows, way) for way in self.poolings], axis=-1)
        rows = softmax(rows) if self.activation == SOFTMAX else activate(rows, self.activation)
        rows = normalize_rows(rows) if self.unit_first else rows
        end = None if self.channels is None else self.first + self.channels
        rows = rows[..., self.first : end]
        return normalize_rows(rows) if self.unit else rows


def activate(rows: FloatArray, activation: str) -> FloatArray:
    """Float32 whatever the function of the activation gives."""
    return np.asarray(apply_activation(rows, activation), np.float32)


@dataclass(frozen=True, eq=False)
class Trial:
    """What goes into a part of a graph, and what comes out of it."""

    rows: FloatArray
    values: FloatArray


def find_step(trials: Sequence[Trial], *, pools: bool) -> Step | None:
    """The step that turns every trial's rows into its values; None if it is none of ours.

    Several may fit, where a cut leaves what tells them apart; the first is the simplest.
    """
    width, outputs = trials[0].rows.shape[-1], trials[0].values.shape[-1]
    if not pools:
        return _first_fit(trials, _plain_steps(width, outputs))
    count = -(-outputs // width)
    if count > MAX_POOLINGS:
        return None
    return _first_fit(trials, _pooling_steps(count, outputs if outputs % width else None))


def _first_fit(trials: Sequence[Trial], steps: Iterator[Step]) -> Step | None:
    """The simplest of those that fit best: two kinds of GELU are near each other."""
    errors = {step: max(_error(step, trial) for trial in trials) for step in steps}
    least = min(errors.values(), default=np.inf)
    if least > TOLERANCE:
        return None
    return next(step for step, error in errors.items() if error <= max(10 * least, ROUNDING))


def _error(step: Step, trial: Trial) -> float:
    return relative_error(trial.values, step.apply(trial.rows))


def _plain_steps(width: int, outputs: int) -> Iterator[Step]:
    if outputs > width:
        return
    channels = outputs if outputs < width else None
    for unit in (False, True):
        for activation in (*ACTIVATIONS, SOFTMAX):
            yield Step((), activation, channels, unit=unit)
    if channels:
        yield Step((), "linear", channels, unit_first=True)
    if outputs == 1 and width <= MAX_COLUMNS:  # the start or the end of an answer
        for column in range(1, width):
            yield Step((), "linear", 1, column)


def _pooling_steps(count: int, channels: int | None) -> Iterator[Step]:
    """The vectors of `count` poolings beside each other; a cut leaves a part of the last one."""
    for poolings in itertools.product(POOLINGS, repeat=count):
        for unit in (False, True):
            yield Step(poolings, "linear", channels, unit=unit)
        if channels:
            yield Step(poolings, "linear", channels, unit_first=True)
