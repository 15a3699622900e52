"""A file that is pulled from a device: whole under its name, or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_bert.errors import DeviceError


@contextmanager
def pulled_file(remote: str, local: Path) -> Iterator[Path]:
    """A place beside `local` to copy `remote` to; it takes the name of `local` after the block.

    Raises DeviceError where the system refuses; nothing is left then.
    """
    partial = local.with_name(f".{local.name[:200]}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(local)
    except OSError as error:
        raise DeviceError(f"{remote} could not be pulled: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
