"""What the tasks' options have in common: their help, and reading lists from them."""

from __future__ import annotations

PROFILE_HELP = "device profile, see `invoke profiles`"
JSON_HELP = "machine-readable output on standard output"


def words(text: str | None) -> list[str]:
    """The parts of a comma-separated option."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def numbers(option: str, text: str | None, example: str = "1,2,4") -> list[int]:
    """The whole numbers of a comma-separated option; InputError for anything else."""
    from edge_bert.errors import InputError

    try:
        return [int(part) for part in words(text)]
    except ValueError:
        raise InputError(f"--{option} {text}: give whole numbers, such as {example}.") from None
