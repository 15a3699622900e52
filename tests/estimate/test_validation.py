"""Predictions against published times."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert.errors import InputError
from edge_bert.estimate.validation import (
    TRANSFORMERS,
    Prediction,
    PublishedLatency,
    group_errors,
    published_latencies,
    speedup_errors,
    summarize_errors,
)


def row(precision: str, ms: float) -> PublishedLatency:
    columns = ("P", "S", "cortex-a75", 2.0, 1, "Net", 224, precision, "XNNPACK", ms, "src")
    return PublishedLatency(*columns)  # type: ignore[arg-type]


def test_the_published_table_is_read() -> None:
    """54 rows, each with its source; twenty of them with one thread; four transformers."""
    rows = published_latencies()
    assert len(rows) == 54
    assert all(row.source and row.ms > 0 for row in rows)
    assert sum(row.threads == 1 for row in rows) == 20
    assert sum(row.model in TRANSFORMERS for row in rows) == 4
    assert {row.kernels for row in rows if "XNNPACK" in row.source} == {"XNNPACK"}


def test_groups_keep_float_and_int8_apart() -> None:
    """And the threads, and transformers beside them; a group without a row is left out."""
    transformer = msgspec.structs.replace(row("fp32", 100), model="MobileBERT", threads=4)
    groups = group_errors(
        [
            Prediction(row("fp32", 100), 110, 90, 130),
            Prediction(row("int8", 40), 30, 20, 35),
            Prediction(transformer, 50, 40, 60),
        ]
    )
    assert {name: summary.worst for name, summary in groups.items()} == {
        "one thread, XNNPACK kernels": pytest.approx(0.25),
        "several threads, XNNPACK kernels": 0.5,
        "one thread, fp32": pytest.approx(0.1),
        "one thread, int8": pytest.approx(0.25),
        "several threads, fp32": 0.5,
        "transformers": 0.5,
    }


def test_errors_are_relative_and_absolute() -> None:
    """Too fast and too slow count alike; the bounds are judged apart."""
    predictions = [
        Prediction(row("fp32", 100), 110, 90, 130),
        Prediction(row("int8", 40), 30, 20, 35),
    ]
    summary = summarize_errors(predictions)
    assert (summary.median, summary.worst) == (pytest.approx(0.175), pytest.approx(0.25))
    assert summary.inside_bounds == 1
    (speedup,) = speedup_errors(predictions)
    assert speedup.published == pytest.approx(0.4)
    assert speedup.error == pytest.approx(1 - 30 / 110 / 0.4)


def test_a_float_row_alone_has_no_speedup() -> None:
    """Nothing is paired across devices or without both precisions."""
    assert speedup_errors([Prediction(row("fp32", 100), 110, 90, 130)]) == ()
    with pytest.raises(InputError, match="no predictions"):
        summarize_errors([])


def test_a_damaged_table_is_an_error(tmp_path: Path) -> None:
    """A missing column or a word in a number's place is named."""
    table = tmp_path / "t.csv"
    table.write_text("device,ms\nx,fast\n")
    with pytest.raises(InputError, match=r"t\.csv"):
        published_latencies(table)
