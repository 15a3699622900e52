"""Telling a user how far long work is: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Receives what is being done now."""


def no_progress(message: str) -> None:
    """A progress that says nothing."""
    del message
