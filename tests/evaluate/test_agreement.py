"""Agreement of rows that should be the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_bert.evaluate.agreement import EXACT, ROUNDED, describe_disagreement, measure_agreement

ROWS = arrays(np.float32, (3, 5), elements=st.floats(-100, 100, width=32))


@given(ROWS)
def test_equal_rows_agree(rows: np.ndarray) -> None:
    """Any row agrees with itself, rows of zeros too."""
    assert (measure_agreement(rows, rows) == 1).all()
    assert describe_disagreement(rows, rows, EXACT) is None


@given(ROWS, ROWS)
def test_never_more_than_the_cosine(first: np.ndarray, second: np.ndarray) -> None:
    """It is symmetric, from -1 to the cosine."""
    agreement = measure_agreement(first, second)
    np.testing.assert_allclose(agreement, measure_agreement(second, first))
    a, b = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = np.divide((a * b).sum(1), lengths, out=np.ones(3), where=lengths > 0)
    assert (agreement <= cosine + 1e-6).all()
    assert (agreement >= -1).all()


def test_rows_of_unit_length_give_the_cosine() -> None:
    """60 degrees apart: 0.5; opposite: -1."""
    first = np.array([[1, 0], [1, 0]], np.float32)
    second = np.array([[0.5, np.sqrt(0.75)], [-1, 0]], np.float32)
    np.testing.assert_allclose(measure_agreement(first, second), [0.5, -1], atol=1e-6)


def test_another_length_is_another_number() -> None:
    """Twice the numbers are wrong although their direction is right."""
    rows = np.ones((4, 3), np.float32)
    assert describe_disagreement(2 * rows, rows, ROUNDED) is not None


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_never_agrees(wrong: float) -> None:
    """One such value in one row."""
    rows = np.ones((4, 3), np.float32)
    broken = rows.copy()
    broken[2, 1] = wrong
    assert describe_disagreement(broken, rows, ROUNDED) is not None


def test_one_bad_row_is_enough() -> None:
    """A mean over many rows does not hide it."""
    rows = np.eye(100, dtype=np.float32)
    broken = rows.copy()
    broken[7] = np.roll(broken[7], 1)
    assert describe_disagreement(broken, rows, ROUNDED) == (
        "mean agreement 0.9900, worst 0.0000 (right numbers give 0.97 and 0.8 or more)"
    )
