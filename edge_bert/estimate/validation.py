"""Errors of the cost model against published times of networks that anyone can rebuild."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.validation import (
    ErrorSummary,
    Prediction,
    PublishedLatency,
    SpeedupError,
)

__all__ = [
    "ErrorSummary",
    "Prediction",
    "PublishedLatency",
    "SpeedupError",
    "published_latencies",
    "speedup_errors",
    "summarize_errors",
]
PUBLISHED = Path(__file__).resolve().parent / "data" / "published_latency.csv"


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
    """Predicted and published ratios of int8 to float times, wherever both were published."""
    by_key = {
        (x.published.device, x.published.model, x.published.threads, x.published.precision): x
        for x in predictions
    }
    errors = []
    for (device, model, threads, precision), quantized in by_key.items():
        plain = by_key.get((device, model, threads, "fp32"))
        if precision == "int8" and plain is not None:
            errors.append(
                SpeedupError(
                    device=device,
                    model=model,
                    threads=threads,
                    published=quantized.published.ms / plain.published.ms,
                    predicted=quantized.ms / plain.ms,
                )
            )
    return tuple(errors)
