"""Amounts with units, as people write them in options: 12MB, 900kB, 10ms, 1.5s, 5mJ, 0.1J."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
AMOUNT = re.compile(rf"(?P<number>{NUMBER}) ?(?P<unit>[A-Za-zµμ]+|%)", re.ASCII)
SCORE = re.compile(rf"-?{NUMBER}", re.ASCII)
BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
MILLIJOULES = {"uJ": 1e-3, "µJ": 1e-3, "μJ": 1e-3, "mJ": 1.0, "J": 1e3}
PERCENT = {"%": 0.01}
LARGEST = 1e9  # of milliseconds and millijoules, as in a profile's budget
LARGEST_BYTES = 10**12
LONGEST_TEXT = 40  # characters of a user's text in a message


def parse_size(option: str, text: str) -> int:
    """Whole bytes, a part of one cut off. Raises InputError for anything that is no size."""
    return int(_parse_amount(option, text, BYTES, (1, LARGEST_BYTES), "12MB or 900kB"))


def parse_latency(option: str, text: str) -> float:
    """Milliseconds. Raises InputError for anything that is no time."""
    return float(_parse_amount(option, text, MILLISECONDS, (1e-9, LARGEST), "10ms or 1.5s"))


def parse_energy(option: str, text: str) -> float:
    """Millijoules. Raises InputError for anything that is no energy."""
    return float(_parse_amount(option, text, MILLIJOULES, (1e-9, LARGEST), "5mJ or 0.1J"))


def parse_share(option: str, text: str) -> float:
    """A share, written as a percentage. Raises InputError for one of 0 or above 100 %."""
    return float(_parse_amount(option, text, PERCENT, (1e-4, 1), "50%"))


def parse_score(option: str, text: str) -> float:
    """A number from -1 to 1. Raises InputError for anything else."""
    from edge_bert.errors import InputError

    if SCORE.fullmatch(text) is None or not -1 <= float(text) <= 1:
        raise InputError(
            f"--{option} {text[:LONGEST_TEXT]!r}: give a score from -1 to 1, such as 0.80."
        )
    return float(text)


def _parse_amount(
    option: str,
    text: str,
    units: Mapping[str, float],
    interval: tuple[float, float],
    example: str,
) -> Decimal:
    from edge_bert.errors import InputError

    spelling = f"--{option} {text[:LONGEST_TEXT]!r}"
    amount = AMOUNT.fullmatch(text)
    if amount is None:
        raise InputError(f"{spelling}: give a number and its unit, such as {example}.")
    if amount["unit"] not in units:
        names = ", ".join(dict.fromkeys(unit.replace("μ", "µ") for unit in units))
        raise InputError(
            f"{spelling}: no unit {amount['unit'][:LONGEST_TEXT]!r} here; take {names}."
        )
    value = Decimal(amount["number"]) * Decimal(str(units[amount["unit"]]))
    smallest, largest = interval
    if not smallest <= value <= largest:
        raise InputError(f"{spelling}: too {'small' if value < 1 else 'large'}.")
    return value
