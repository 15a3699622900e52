"""The import of TensorFlow without what its C++ code writes to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from edge_bert.errors import MissingToolError
from edge_bert.host_system import explain_missing_runtimes


def import_tensorflow() -> None:
    """Import TensorFlow; what it writes is shown only where the import fails.

    Raises MissingToolError where it is not installed.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _capture_stderr():
        try:
            import tensorflow  # noqa: F401
        except ModuleNotFoundError as error:
            if error.name != "tensorflow":
                raise
            raise MissingToolError(explain_missing_runtimes()) from error


@contextlib.contextmanager
def _capture_stderr() -> Iterator[None]:
    """Drop what is written to file descriptor 2, or show it where the body raises."""
    if sys.stderr:
        sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except Exception:  # and not where a signal stops it
            captured.seek(0)
            os.write(stderr, captured.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
