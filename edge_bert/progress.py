"""The callback through which long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Is called with the present step in words."""


def no_progress(message: str) -> None:
    """Report no progress."""
    del message
