"""The edge between errors and a terminal: one line, an exit code, never a traceback of ours."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType

import msgspec

from edge_bert.errors import EdgeBertError

INTERRUPTED = 130
STOPPED = "stopped; what was there before is as it was"


@contextlib.contextmanager
def error_boundary(*, json: bool = False) -> Iterator[None]:
    """Turn foreseen errors into one line on standard error and the error's exit code.

    With `json`, standard output gets `{"error": …, "exit_code": …}` as well, with its details.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it greets every user otherwise
    with _noted_interruptions() as noted:
        try:
            yield
        except EdgeBertError as error:
            _fail(str(error), error.exit_code, json=json, details=error.details)
        except KeyboardInterrupt:
            _fail(STOPPED, INTERRUPTED, json=json)
        except BrokenPipeError:
            sys.stderr.close()  # or Python complains about it once more on its way out
            raise SystemExit(0) from None
        except Exception:
            if not noted:
                raise
            _fail(STOPPED, INTERRUPTED, json=json)


@contextlib.contextmanager
def _noted_interruptions() -> Iterator[list[int]]:
    """A list that gets the number of each interruption.

    TensorFlow swallows a KeyboardInterrupt that falls into some of its callbacks, and then fails
    with an error of its own.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


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
