"""Where edge-bert keeps what it can make again: models, built files, isolated environments."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from edge_bert.errors import InputError
from edge_bert.store.in_use import share_folder
from edge_bert.store.leftovers import sweep_once


def locate_cache() -> Path:
    """Where the cache is, or would be."""
    return Path(os.environ.get("EDGE_BERT_CACHE") or platformdirs.user_cache_dir("edge-bert"))


def cache_folder(*parts: str) -> Path:
    """A folder under the cache, made if need be; `EDGE_BERT_CACHE` moves the cache.

    Raises InputError where it cannot be made.
    """
    root = locate_cache()
    path = root.joinpath(*parts)
    try:
        root.mkdir(parents=True, exist_ok=True)
        share_folder(root)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The cache {root} cannot be written ({error.strerror}); point EDGE_BERT_CACHE to a "
            "folder that can."
        ) from error
    sweep_once(path)
    return path
