"""transformers, imported quietly and late: only builds need it, and it takes seconds to import."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any


def import_transformers() -> Any:
    """The package. It does without PyTorch here, and says nothing about that."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    import transformers

    return transformers


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keeps transformers' log, which repeats what our errors and warnings say, off the terminal."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
