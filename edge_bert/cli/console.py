"""Errors and results on a terminal: one line and an exit code, JSON, plain lines."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType

import msgspec

from edge_bert.errors import EdgeBertError, StopRequest

SIGNALLED = 128  # what a shell adds to the number of the signal that ended a program
INTERRUPTED = SIGNALLED + int(signal.SIGINT)
STOPPED = "stopped; what was there before is as it was"


@contextlib.contextmanager
def error_boundary(*, json: bool = False) -> Iterator[None]:
    """Turn foreseen errors into one line on standard error and the error's exit code.

    With `json`, standard output gets `{"error": …, "exit_code": …}` as well, with its details.
    SIGINT and SIGTERM end it in one line too, with exit code 130 and 143.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(
        "TF_ENABLE_ONEDNN_OPTS", "0"
    )  # or TensorFlow greets every user with a warning
    with _recorded_signals() as signals:
        try:
            yield
        except EdgeBertError as error:
            _fail(str(error), error.exit_code, json=json, details=error.details)
        except StopRequest as stop:
            _fail(str(stop), SIGNALLED + stop.number, json=json)
        except KeyboardInterrupt:
            _fail(STOPPED, INTERRUPTED, json=json)
        except BrokenPipeError:
            sys.stderr.close()  # or Python complains about it once more on its way out
            raise SystemExit(0) from None
        except Exception:
            if not signals:
                raise
            _fail(STOPPED, SIGNALLED + signals[-1], json=json)


@contextlib.contextmanager
def _recorded_signals() -> Iterator[list[int]]:
    """The number of each signal to stop, as it comes; each raises StopRequest.

    TensorFlow swallows a KeyboardInterrupt that falls into some of its callbacks, and then fails
    with an error of its own.
    """
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def record(number: int, frame: FrameType | None) -> None:
        del frame
        signals.append(number)
        raise StopRequest(STOPPED, number)

    stops = (signal.SIGINT, signal.SIGTERM)
    previous_handlers = {number: signal.signal(number, record) for number in stops}
    try:
        yield signals
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)


def _fail(
    message: str, code: int, *, json: bool, details: Mapping[str, object] | None = None
) -> None:
    line = " ".join(message.split())
    if json:
        print_json({"error": line, "exit_code": code, **(details or {})})
    sys.stderr.write(f"error: {line}\n")
    raise SystemExit(code) from None


def print_json(value: object) -> None:
    """Any record, dictionary or list as indented JSON on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def print_lines(lines: Iterable[str]) -> None:
    """Lines for people on standard output, as they are."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
