"""Signals that ask a command to stop, and what is told of it."""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from edge_bert.errors import StopRequest
from edge_bert.stop_signals import handled_stops
from edge_bert.store.written import list_written
from edge_bert.text import list_some

# A shell that goes away hangs up twice, and people press Ctrl-C again: what is cleared up for the
# first signal must not be cut short by the next.
PATIENCE_S = 3.0
AGAIN_S = 0.05


def tell_stopped() -> str:
    """One line for whoever stopped the command: what is there now."""
    written = [str(path) for path in list_written()]
    if not written:
        return "stopped; what was there before is as it was"
    verb = "is new" if len(written) == 1 else "are new"
    return f"stopped; {list_some(written)} {verb} and whole, all else is as it was"


class _Stops:
    """The signals so far; each raises StopRequest, but not those that come right after one."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.raised_at = -PATIENCE_S

    def record(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.numbers.append(number)
        if time.monotonic() - self.raised_at >= PATIENCE_S:
            self.raised_at = time.monotonic()
            raise StopRequest("", number)

    def raise_again(self, lost: Any) -> None:
        """For sys.unraisablehook: a request that fell into a destructor is made once more."""
        if isinstance(lost.exc_value, StopRequest):
            self.raised_at = -PATIENCE_S
            number = signal.Signals(lost.exc_value.number)
            later = threading.Timer(AGAIN_S, _thread.interrupt_main, [number])  # not in here
            later.daemon = True
            later.start()
        else:
            sys.__unraisablehook__(lost)


@contextlib.contextmanager
def recorded_stops() -> Iterator[list[int]]:
    """The number of each signal to stop, as it comes; each raises StopRequest.

    TensorFlow swallows a KeyboardInterrupt that falls into some of its callbacks, and then fails
    with an error of its own.
    """
    stops, before = _Stops(), sys.unraisablehook
    with handled_stops(stops.record):
        sys.unraisablehook = stops.raise_again
        try:
            yield stops.numbers
        finally:
            sys.unraisablehook = before
