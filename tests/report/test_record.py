from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from edge_bert.records.measurement import Evidence
from edge_bert.records.report import Energy
from tests.report.sample_report import latencies, operators, report

ROW = latencies(Evidence.EMULATED, "emulated", 1.0)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"p5_ms": ROW.median_ms * 2},
        {"p95_ms": ROW.median_ms / 2},
        {"p95_ms": math.inf},
        {"median_ms": math.nan},
        {"p5_ms": 0.0},
        {"energy": Energy("measured", 2.0, 1.0, 3.0)},
    ],
)
def test_impossible_latencies_cannot_be_made(changes: dict[str, Any]) -> None:
    """Percentiles out of order, and measured energy of an emulator."""
    with pytest.raises(ValueError, match=ROW.artifact):
        msgspec.structs.replace(ROW, **changes)


@pytest.mark.parametrize(
    ("middle", "low", "high"),
    [(2, 3, 4), (5, 3, 4), (-1, -2, 1), (0, 0, 0), (math.nan, 1, 2), (2, 1, math.inf)],
)
def test_impossible_energies_cannot_be_made(middle: float, low: float, high: float) -> None:
    """A middle outside its range, no energy, and what is no number."""
    with pytest.raises(ValueError, match="energy"):
        Energy("modelled", middle, low, high)


@pytest.mark.parametrize("total", [-1.0, math.nan, math.inf])
def test_impossible_operator_times_cannot_be_made(total: float) -> None:
    """Time is zero or more, and finite."""
    with pytest.raises(ValueError, match="FULLY_CONNECTED"):
        msgspec.structs.replace(operators()[0], total_ms=total)


def test_rows_speak_of_artifacts_that_exist() -> None:
    """A row of an artifact that the manifest lacks is refused."""
    stray = msgspec.structs.replace(ROW, artifact="wi3")
    with pytest.raises(ValueError, match="no artifact wi3"):
        msgspec.structs.replace(report(), measurements=(stray,))
