"""Waiting for what happens in another process or thread, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(happened: Callable[[], object], patience_s: float = 60) -> None:
    """Poll until it has happened. The patience is for a busy machine; it is no promise."""
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
