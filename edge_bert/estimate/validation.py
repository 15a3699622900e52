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
    "group_errors",
    "published_latencies",
    "speedup_errors",
    "summarize_errors",
]
# The models of the table that are transformers, and its devices that came after 2019.
TRANSFORMERS = ("MobileBERT", "MiniLM-L6")
SINCE_2020 = ("OnePlus 12",)
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


def group_errors(predictions: Sequence[Prediction]) -> dict[str, ErrorSummary]:
    """Errors of float and int8, and by kernels, with one thread and with several.

    Beside them those of the transformers and of the phones since 2020.
    A group without a row is left out.
    """
    groups: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        row = prediction.published
        threads = "one thread" if row.threads == 1 else "several threads"
        names = [f"{threads}, {row.precision}", f"{threads}, {row.kernels} kernels"]
        names += ["transformers"] if row.model in TRANSFORMERS else []
        names += ["phones since 2020"] if row.device in SINCE_2020 else []
        for name in names:
            groups.setdefault(name, []).append(prediction)
    return {name: summarize_errors(groups[name]) for name in sorted(groups)}


def speedup_errors(predictions: Sequence[Prediction]) -> tuple[SpeedupError, ...]:
    """Predicted and published ratios of int8 to float times, wherever both were published."""
    floats = {_subject(x.published): x for x in predictions if x.published.precision == "fp32"}
    return tuple(
        SpeedupError(
            device=quantized.published.device,
            model=quantized.published.model,
            threads=quantized.published.threads,
            published=quantized.published.ms / plain.published.ms,
            predicted=quantized.ms / plain.ms,
        )
        for quantized in predictions
        if quantized.published.precision == "int8"
        and (plain := floats.get(_subject(quantized.published)))
    )


def _subject(row: PublishedLatency) -> tuple[str, str, int, int]:
    return row.device, row.model, row.input, row.threads
