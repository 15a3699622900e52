"""The import of TensorFlow without what its C++ code writes to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Import TensorFlow; what it writes is shown only where the import fails."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _capture_stderr():
        import tensorflow  # noqa: F401


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
        except BaseException:
            captured.seek(0)
            os.write(stderr, captured.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
