"""One spelling for the same label name."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[\s_/\-]+")


def fold_name(name: str) -> str:
    """A label's name without case, and with one space where it has separators."""
    return _SEPARATORS.sub(" ", name).strip().casefold()
