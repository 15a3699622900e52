"""Predicted times beside published ones, and their errors."""

from __future__ import annotations

from typing import Literal

from edge_bert.records.base import Record


class PublishedLatency(Record, frozen=True):
    """One published time: `ms` for one inference of `model`.

    `input` is the side of a square image in pixels, or the length of a text in tokens. `kernels`
    are `older` where TFLite did not yet compute with XNNPACK, whose kernels the prediction counts:
    what its own took of their time on other phones is part of it then.
    """

    device: str
    soc: str
    core: str
    ghz: float
    threads: int
    model: str
    input: int
    precision: Literal["fp32", "int8"]
    kernels: Literal["XNNPACK", "older"]
    ms: float
    source: str


class Prediction(Record, frozen=True):
    """A published time and the cost model's prediction, with its bounds."""

    published: PublishedLatency
    ms: float
    low_ms: float
    high_ms: float

    @property
    def ratio(self) -> float:
        """Predicted over published: 1 is exact, 2 predicts twice the time."""
        return self.ms / self.published.ms

    @property
    def inside(self) -> bool:
        """Whether the published time lies within the bounds."""
        return self.low_ms <= self.published.ms <= self.high_ms


class ErrorSummary(Record, frozen=True):
    """Absolute relative errors of predictions: 0.2 is 20%."""

    count: int
    median: float
    worst: float
    inside_bounds: int


class SpeedupError(Record, frozen=True):
    """int8 time over float time of one network on one device, published and predicted."""

    device: str
    model: str
    threads: int
    published: float
    predicted: float

    @property
    def error(self) -> float:
        """Absolute relative error of the predicted ratio."""
        return abs(self.predicted / self.published - 1)


class Validation(Record, frozen=True):
    """All predictions and summaries of their errors.

    `single` is over rows of one thread, `several` over the others; None without such rows.
    `groups` sums up float and int8 of each apart, and the transformers, by what they are.
    """

    predictions: tuple[Prediction, ...]
    single: ErrorSummary | None
    several: ErrorSummary | None
    groups: dict[str, ErrorSummary]
    speedups: tuple[SpeedupError, ...]
