"""Importing TensorFlow without its greeting: C++ writes it to standard error, whatever is set."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Have TensorFlow in `sys.modules`; what it says of missing graphics processors is dropped."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _dropped_stderr():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _dropped_stderr() -> Iterator[None]:
    """Nothing that is written to file descriptor 2 is seen; Python's exceptions still are."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
