"""What no stage foresaw: faults of the machine in one line, all else printable."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from edge_bert.errors import EdgeBertError, InputError
from edge_bert.store.os_faults import describe_os_error
from edge_bert.text import make_printable, one_line


def tell_fault(error: Exception) -> EdgeBertError | None:
    """The line for a fault of the machine or of a name; None for a fault of ours."""
    if isinstance(error, OSError):
        return describe_os_error(error)
    if isinstance(error, MemoryError):
        return InputError("There is not enough memory; close other programs, or give less.")
    if isinstance(error, RecursionError):
        return InputError("Something that was given is nested too deeply to be read.")
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # pathlib's
        return InputError(f"{one_line(error)}: give a path without that link.")
    if isinstance(error, ValueError) and str(error) == "embedded null byte":
        return InputError("A name of a file has a NUL byte in it; give another.")
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return InputError(f"{one_line(error.object)} is no UTF-8; give the file another name.")
    return None


@contextlib.contextmanager
def told_printable() -> Iterator[None]:
    """Warnings, log lines and tracebacks of libraries pass the filter of our own lines.

    A traceback is printed when the block is over, so its hook stays.
    """
    sys.excepthook = _print_traceback
    shown, handler = warnings.showwarning, logging.lastResort
    plain = handler.formatter if handler else None
    warnings.showwarning = _print_warning  # type: ignore[assignment]
    if handler:
        handler.setFormatter(_PrintableFormatter())
    try:
        yield
    finally:
        warnings.showwarning = shown
        if handler:
            handler.setFormatter(plain)


class _PrintableFormatter(logging.Formatter):
    """A log line without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return make_printable(super().format(record))


def _print_warning(message: Warning | str, *_: Any) -> None:
    sys.stderr.write(f"warning: {make_printable(str(message))}\n")


def _print_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    lines = "".join(traceback.format_exception(kind, error, trace)).split("\n")
    sys.stderr.write("\n".join(map(make_printable, lines)))
