"""Hold the cost model to times that others published, for networks that anyone can rebuild."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record

PUBLISHED = Path(__file__).resolve().parent / "data" / "published_latency.csv"


class PublishedLatency(Record, frozen=True):
    """One published time: `ms` for one inference of `model` on square images of `input` pixels."""

    device: str
    soc: str
    core: str
    ghz: float
    threads: int
    model: str
    input: int
    precision: Literal["fp32", "int8"]
    ms: float
    source: str


class Prediction(Record, frozen=True):
    """A published time and what the cost model says, with its bounds."""

    published: PublishedLatency
    ms: float
    low_ms: float
    high_ms: float

    @property
    def ratio(self) -> float:
        """Predicted over published: 1 is right, 2 is twice too slow."""
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


def published_latencies(path: Path = PUBLISHED) -> tuple[PublishedLatency, ...]:
    """The published times. Raises InputError for a damaged table."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return msgspec.convert(rows, tuple[PublishedLatency, ...], strict=False)
    except (OSError, csv.Error, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{path.name} is not a table of published times: {error}") from error


def summarize_errors(predictions: Sequence[Prediction]) -> ErrorSummary:
    """Median and worst error. Raises InputError without predictions."""
    if not predictions:
        raise InputError("There are no predictions to sum up.")
    errors = [abs(prediction.ratio - 1) for prediction in predictions]
    return ErrorSummary(
        count=len(errors),
        median=median(errors),
        worst=max(errors),
        inside_bounds=sum(prediction.inside for prediction in predictions),
    )


def speedup_errors(predictions: Sequence[Prediction]) -> tuple[SpeedupError, ...]:
    """How well int8 against float is predicted, wherever both were published."""
    by_key = {
        (x.published.device, x.published.model, x.published.threads, x.published.precision): x
        for x in predictions
    }
    found = []
    for (device, model, threads, precision), quantized in by_key.items():
        plain = by_key.get((device, model, threads, "fp32"))
        if precision == "int8" and plain is not None:
            found.append(
                SpeedupError(
                    device=device,
                    model=model,
                    threads=threads,
                    published=quantized.published.ms / plain.published.ms,
                    predicted=quantized.ms / plain.ms,
                )
            )
    return tuple(found)
