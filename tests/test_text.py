from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert import text


@given(st.text())
def test_printable_leaves_nothing_that_acts(foreign: str) -> None:
    """Whatever comes in, the length stays and every character can be shown and encoded."""
    shown = text.make_printable(foreign)
    assert shown.isprintable()
    assert len(shown) == len(foreign)
    shown.encode()  # raises if a lone surrogate is left


def test_printable_keeps_ordinary_words() -> None:
    """Accents, other scripts and markup signs are words like others."""
    assert text.make_printable("Ünïcode 模型 <b> \\ /") == "Ünïcode 模型 <b> \\ /"
    assert text.make_printable("a\tb\nc") == "a b c"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.031, "0.031"),
        (0.734, "0.73"),
        (5.658, "5.66"),
        (16.41, "16.4"),
        (483.2, "483"),
    ],
)
def test_significant(value: float, shown: str) -> None:
    """Times have as many digits as one can compare."""
    assert text.format_significant(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.98999, "0.9899"), (0.99, "0.9900"), (1.0000001, "1.0000"), (math.nan, "not a number")],
)
def test_cosine_never_rounds_up(value: float, shown: str) -> None:
    """A cosine under the limit is not shown as the limit."""
    assert text.format_cosine(value) == shown


@pytest.mark.parametrize(
    ("size", "shown"), [(17, "17 B"), (12_400, "12.4 kB"), (23_990_000, "23.99 MB")]
)
def test_byte_size(size: int, shown: str) -> None:
    """Sizes are in units of ten, as shops and file managers count."""
    assert text.byte_size(size) == shown


@pytest.mark.parametrize(
    ("change", "shown"), [(-0.0011, "−0.11"), (0.02, "+2.00"), (-1e-9, "±0.00")]
)
def test_signed_points(change: float, shown: str) -> None:
    """A change too small to show has no direction."""
    assert text.signed_points(change) == shown
