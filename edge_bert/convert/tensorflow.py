"""Importing TensorFlow without its greeting: C++ writes it to standard error, whatever is set."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Have TensorFlow in `sys.modules`; what it says is shown only where the import fails."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_stderr():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _held_stderr() -> Iterator[None]:
    """What is written to file descriptor 2 is dropped if all goes well, else it is shown."""
    if sys.stderr:
        sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
