"""Amounts in options: what people write is read, everything else is refused in one line."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_bert.cli import units
from edge_bert.errors import InputError
from tests.one_line import refused

Reader = Callable[[str, str], Any]
READERS: list[Reader] = [
    units.parse_size,
    units.parse_latency,
    units.parse_energy,
    units.parse_score,
]
UNITS: dict[Reader, dict[str, float]] = {
    units.parse_size: units.BYTES,
    units.parse_latency: units.MILLISECONDS,
    units.parse_energy: units.MILLIJOULES,
}


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.parse_size, "12MB", 12_000_000),
        (units.parse_size, "12MiB", 12_582_912),
        (units.parse_size, "900kB", 900_000),
        (units.parse_size, "13.55 MB", 13_550_000),
        (units.parse_size, "1B", 1),
        (units.parse_latency, "10ms", 10.0),
        (units.parse_latency, "1.5s", 1500.0),
        (units.parse_latency, "250µs", 0.25),
        (units.parse_latency, "250us", 0.25),
        (units.parse_energy, "5mJ", 5.0),
        (units.parse_energy, "0.1J", 100.0),
        (units.parse_energy, ".5J", 500.0),
        (units.parse_score, "0.80", 0.8),
        (units.parse_score, "-1", -1.0),
        (units.parse_share, "50%", 0.5),
        (units.parse_share, "100 %", 1.0),
        (units.parse_share, "12.5%", 0.125),
    ],
)
def test_what_people_write(read: Reader, text: str, value: float) -> None:
    """Units of ten and of two, points, one space."""
    assert read("limit", text) == pytest.approx(value)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "text",
    ["", " ", "12", "MB", "ms", "12 MB ", "1e3MB", "-5MB", "+5ms", "nan", "inf", "infms", "0MB",
     "0ms", "0J", "12mb", "12Mb", "1,5s", "1.5.2s", "12MB\n", "0x10B", "1_000B", "१२MB", "1.",
     "12  MB", "5 watts", "9" * 400 + "ms", "9" * 5000 + "MB", "2", "-1.01", "0.8%", "١"],
)  # fmt: skip
def test_what_is_refused(read: Reader, text: str) -> None:
    """One line that names the option."""
    with refused(InputError, "^--max-size "):
        read("max-size", text)


@pytest.mark.parametrize(
    ("read", "text", "advice"),
    [
        (units.parse_size, "12", "such as 12MB"),
        (units.parse_size, "12mb", "no unit 'mb' here; take B, kB, MB"),
        (units.parse_latency, "5mJ", "no unit 'mJ' here; take us, µs, ms, s."),
        (units.parse_energy, "0mJ", "too small"),
        (units.parse_size, "9000GB", "too large"),
        (units.parse_score, "80", "from -1 to 1"),
        (units.parse_share, "0.5", "a number and its unit, such as 50%"),
        (units.parse_share, "0%", "too small"),
        (units.parse_share, "120%", "too large"),
    ],
)
def test_what_to_do_instead(read: Reader, text: str, advice: str) -> None:
    """The line says what would do."""
    with pytest.raises(InputError, match=advice):
        read("limit", text)


@given(st.sampled_from(list(UNITS)), st.data())
def test_every_amount_is_read_as_written(read: Reader, data: st.DataObject) -> None:
    """Number times unit, for whatever number of up to four decimals."""
    unit = data.draw(st.sampled_from(sorted(UNITS[read])))
    number = data.draw(st.decimals("0.01", "900", places=4, allow_nan=False))
    exact = number * decimal.Decimal(str(UNITS[read][unit]))
    assume(exact >= 1 or read is not units.parse_size)
    value = read("limit", f"{number:f}{unit}")
    assert value == (int(exact) if read is units.parse_size else pytest.approx(float(exact)))


@given(st.sampled_from(READERS), st.text(max_size=40))
def test_any_text(read: Reader, text: str) -> None:
    """A finite number, or a refusal in one line; nothing else is raised."""
    try:
        value = read("limit", text)
    except InputError:
        with refused(InputError, "^--limit "):
            read("limit", text)
        return
    assert -1 <= value < 1e13
