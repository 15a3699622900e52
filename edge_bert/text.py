"""Formats of figures and foreign text, the same in every renderer."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Sequence

NOT_KNOWN = "–"
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.0*)?")


def parse_whole_number(text: str) -> int | None:
    """The whole number that `text` is, also where a program wrote it as 1.0; None for no number."""
    return int(text.partition(".")[0]) if _WHOLE_NUMBER.fullmatch(text) else None


def make_printable(text: str) -> str:
    """`text` with spaces for line breaks and tabs, and control and direction characters replaced.

    Names come from model folders; an escape sequence in one must not reach a terminal, and a
    right-to-left override must not turn a sentence around.
    """
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(char: str) -> str:
    if char.isspace():
        return " "
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"


def one_line(message: object, max_characters: int = 200) -> str:
    """What a library or a tool said, made fit for a one-line error: printable and bounded."""
    return make_printable(" ".join(str(message).split())[:max_characters])


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120  # the whole name of a tensor, a class or a file


def shorten(value: object) -> str:
    """A value of a model's file as Python writes it, on one line and bounded."""
    return _SHORT.repr(value)


def list_some(names: Sequence[str], most: int = 5) -> str:
    """The first `most` names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def byte_size(size: int) -> str:
    """Bytes as MB (10^6 bytes), kB or B."""
    if size >= 100_000:
        return f"{size / 1e6:.2f} MB"
    return f"{size / 1e3:.1f} kB" if size >= 1000 else f"{size} B"


def format_significant(value: float) -> str:
    """Three significant digits from 1 up, two below: 0.73, 5.66, 16.4, 483."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}" if math.isfinite(value) else NOT_KNOWN
    digits = max(0, (2 if abs(value) >= 1 else 1) - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 6)}f}"


def format_megabytes(size: int) -> str:
    """Bytes as a bare number of MB, for columns."""
    return "< 0.01" if 0 < size < 5000 else f"{size / 1e6:.2f}"


def per_million(value: float, count: int) -> str:
    """`value` per million of `count`, in three digits; a dash where the count is zero."""
    return f"{1e6 * value / count:.3g}" if count else NOT_KNOWN


def format_milliseconds(value: float) -> str:
    """A time with its unit."""
    return f"{format_significant(value)} ms"


def format_millijoules(value: float) -> str:
    """An energy with its unit."""
    return f"{format_significant(value)} mJ"


def format_cosine(value: float) -> str:
    """Four decimals, rounded down, so that 0.98996 never reads as 0.99."""
    if not math.isfinite(value):
        return "not a number"
    return f"{math.floor(round(value, 6) * 1e4) / 1e4:.4f}"


def format_points(value: float) -> str:
    """A score from -1 to 1 as points of 100."""
    return f"{value * 100:.2f}" if math.isfinite(value) else "not a number"


def signed_points(value: float) -> str:
    """A difference of scores as points of 100 with its sign."""
    points = f"{value * 100:+.2f}"
    return "±0.00" if float(points) == 0 else points.replace("-", "\N{MINUS SIGN}")
