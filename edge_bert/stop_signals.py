"""The signals that ask a process to stop: Ctrl-C, SIGTERM, and the hang-up of its terminal."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


def stop_signals() -> tuple[signal.Signals, ...]:
    """Those that this process heeds; no hang-up where `nohup` has it ignored, or on Windows."""
    hang_up: signal.Signals | None = getattr(signal, "SIGHUP", None)
    if hang_up is None or signal.getsignal(hang_up) is signal.SIG_IGN:
        return (signal.SIGINT, signal.SIGTERM)
    return (signal.SIGINT, signal.SIGTERM, hang_up)


def end_quietly() -> None:
    """Let Ctrl-C end this process as SIGTERM does, until a command handles both."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def handled_stops(handler: Handler) -> Iterator[None]:
    """`handler` gets every signal to stop; the main thread alone has signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in stop_signals()}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes that are started in the block get no Ctrl-C: whoever started them ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def held_stops() -> Iterator[None]:
    """Signals to stop wait until the block is done, which must not be cut in two."""
    waiting: list[int] = []
    try:
        with handled_stops(lambda number, _: waiting.append(number)):
            yield
    finally:
        if waiting:
            signal.raise_signal(waiting[0])
