"""The edge between errors and a terminal: one line, an exit code, never a traceback of ours."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import msgspec

from edge_bert.errors import EdgeBertError

INTERRUPTED = 130


@contextlib.contextmanager
def plainly(*, json: bool = False) -> Iterator[None]:
    """Turn foreseen errors into one line on standard error and the error's exit code.

    With `json`, standard output gets `{"error": …, "exit_code": …}` as well.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it greets every user otherwise
    try:
        yield
    except EdgeBertError as error:
        _fail(str(error), error.exit_code, json=json)
    except KeyboardInterrupt:
        _fail("stopped; what was there before is as it was", INTERRUPTED, json=json)
    except BrokenPipeError:
        sys.stderr.close()  # or Python complains about it once more on its way out
        raise SystemExit(0) from None


def _fail(message: str, code: int, *, json: bool) -> None:
    line = " ".join(message.split())
    if json:
        print_json({"error": line, "exit_code": code})
    sys.stderr.write(f"error: {line}\n")
    raise SystemExit(code) from None


def print_json(value: object) -> None:
    """Any record, dictionary or list as indented JSON on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()
