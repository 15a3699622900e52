"""Times of kernels that are not counted, by what they took on other phones."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert.estimate.older_kernels import find_slowdown
from edge_bert.estimate.validation import published_latencies

ROWS = published_latencies()


def test_only_rows_of_older_kernels_are_slower() -> None:
    """Float by the median of five pairs, int8 by the published mean of six phones."""
    slowdowns = {(row.kernels, row.precision): find_slowdown(row) for row in ROWS}
    assert slowdowns["XNNPACK", "fp32"].middle == slowdowns["XNNPACK", "int8"].high == 1
    older = slowdowns["older", "fp32"]
    assert older.middle == pytest.approx(19.4 / 14)
    assert older.low == pytest.approx(51.2 / 39)
    assert older.high == pytest.approx(73.8 / 49)
    assert slowdowns["older", "int8"].middle == pytest.approx(1.3)


def test_no_phone_is_predicted_from_itself() -> None:
    """A pair of the row's own phone would be half of the answer."""
    row = next(row for row in ROWS if row.kernels == "older" and row.precision == "fp32")
    own = find_slowdown(msgspec.structs.replace(row, device="Pixel"))
    assert own.low == pytest.approx(19.4 / 14)
    assert own.high == pytest.approx(61 / 42)
