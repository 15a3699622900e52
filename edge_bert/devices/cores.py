"""Lists and words for the cores of a device."""

from __future__ import annotations

import re

from edge_bert.errors import InputError

# The fastest, the ones between, the slowest; a phone of two kinds has its fast ones as `big` too.
CORE_WORDS = ("prime", "big", "little")
ANY_CORES = "any"
HIGHEST_CORE = 1023


def parse_cores(text: str) -> tuple[int, ...]:
    """The CPUs of a list such as `4-7` or `0,2`. Raises InputError for other text."""
    cpus: set[int] = set()
    for interval in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", interval.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= HIGHEST_CORE:
            words = ", ".join((*CORE_WORDS, ANY_CORES))
            raise InputError(f"--cores {text}: give cores such as 4-7 or 0,2, or {words}.")
        cpus |= set(range(first, last + 1))
    return tuple(sorted(cpus))
