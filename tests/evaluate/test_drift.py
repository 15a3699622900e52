"""Drift from the float32 artifact."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.evaluate.drift import measure_drift


def test_known_angles() -> None:
    """0, 60 and 90 degrees, whatever the lengths."""
    reference = np.array([[1, 0], [2, 0], [3, 0]], np.float32)
    values = np.array([[5, 0], [0.5, np.sqrt(0.75)], [0, 1]], np.float32)
    drift = measure_drift(values, reference)
    assert drift.cosines == pytest.approx((1, 0.5, 0), abs=1e-6)
    assert drift.cosine_mean == pytest.approx(0.5, abs=1e-6)
    assert drift.cosine_min == pytest.approx(0, abs=1e-6)
    assert drift.count == 3


def test_none_from_itself() -> None:
    """Equal outputs have no drift, to six places."""
    rows = np.random.default_rng(0).standard_normal((64, 384)).astype(np.float32)
    drift = measure_drift(rows, rows)
    assert (drift.cosine_mean, drift.cosine_min) == (1, 1)


def test_a_dead_artifact_does_not_pass_for_a_good_one() -> None:
    """Zeros have cosine 0 to everything."""
    rows = np.ones((4, 8), np.float32)
    assert measure_drift(np.zeros_like(rows), rows).cosine_mean == 0
