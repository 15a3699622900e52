"""Where edge-bert keeps what it can make again: models, built files, isolated environments."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from edge_bert.errors import InputError


def cache_folder(*parts: str) -> Path:
    """A folder under the cache, made if need be; `EDGE_BERT_CACHE` moves the cache.

    Raises InputError where it cannot be made.
    """
    root = os.environ.get("EDGE_BERT_CACHE") or platformdirs.user_cache_dir("edge-bert")
    path = Path(root).joinpath(*parts)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The cache {root} cannot be written ({error.strerror}); point EDGE_BERT_CACHE to a "
            "folder that can."
        ) from error
    return path
