"""Errors and results on a terminal: one line and an exit code, JSON, plain lines.

What is printed passes one filter: names and messages come from models, devices and other programs,
and an escape sequence in one must not reach a terminal.
"""

from __future__ import annotations

import contextlib
import json as json_text
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from edge_bert.cli.stopping import recorded_stops, tell_stopped
from edge_bert.cli.unforeseen import tell_fault, told_printable
from edge_bert.errors import EdgeBertError, StopRequest
from edge_bert.store.in_use import leave_folders
from edge_bert.store.written import forget_written
from edge_bert.text import make_printable

SIGNALLED = 128  # what a shell adds to the number of the signal that ended a program
INTERRUPTED = SIGNALLED + int(signal.SIGINT)
LONGEST_LINE = 2000  # characters of an error; what a device said may be of any length


@contextlib.contextmanager
def error_boundary(*, json: bool = False) -> Iterator[None]:
    """Turn foreseen errors into one line on standard error and the error's exit code.

    With `json`, standard output gets `{"error": …, "exit_code": …}` as well, with its details.
    SIGINT, SIGTERM and SIGHUP end it in one line too, with exit code 130, 143 and 129.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(
        "TF_ENABLE_ONEDNN_OPTS", "0"
    )  # or TensorFlow greets every user with a warning
    # Since 1.29 the official builds of onnxruntime report models that they load to their maker.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    forget_written()
    with recorded_stops() as stops, told_printable():
        try:
            yield
        except EdgeBertError as error:
            _fail(str(error), error.exit_code, json=json, details=error.details)
        except StopRequest as stop:
            _fail(str(stop) or tell_stopped(), SIGNALLED + stop.number, json=json)
        except KeyboardInterrupt:
            _fail(tell_stopped(), INTERRUPTED, json=json)
        except BrokenPipeError:
            sys.stderr.close()  # or Python complains about it once more on its way out
            raise SystemExit(0) from None
        except Exception as error:
            if stops:
                _fail(tell_stopped(), SIGNALLED + stops[-1], json=json)
            fault = tell_fault(error)
            if fault is None:
                raise
            _fail(str(fault), fault.exit_code, json=json)
        finally:
            leave_folders()


def _fail(
    message: str, code: int, *, json: bool, details: Mapping[str, object] | None = None
) -> None:
    line = make_printable(" ".join(message.split()))
    line = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..."
    if json:
        print_json({"error": line, "exit_code": code, **(details or {})})
    sys.stderr.write(f"error: {line}\n")
    raise SystemExit(code) from None


def print_json(value: object) -> None:
    """Any record, dictionary or list as indented JSON on standard output.

    Letters stay as they are; what no terminal should get is escaped, which is the same JSON.
    """
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    lines = text.split("\n")
    sys.stdout.write("\n".join(map(_escape_unprintable, lines)) + "\n")
    sys.stdout.flush()


def _escape_unprintable(line: str) -> str:
    encoding = sys.stdout.encoding or "utf-8"
    if line.isprintable() and line.encode(encoding, "ignore").decode(encoding) == line:
        return line
    return "".join(
        char
        if char.isprintable() and char.encode(encoding, "ignore")
        else json_text.dumps(char)[1:-1]
        for char in line
    )


def print_lines(lines: Iterable[str]) -> None:
    """Lines for people on standard output, printable, and not wrapped."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        text = make_printable(line).encode(encoding, "replace").decode(encoding)
        sys.stdout.write(f"{text}\n")
