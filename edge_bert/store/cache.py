"""Where edge-bert keeps what it can make again: models, built files, isolated environments."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder(*parts: str) -> Path:
    """A folder under the cache, made if need be; `EDGE_BERT_CACHE` moves the cache."""
    root = os.environ.get("EDGE_BERT_CACHE") or platformdirs.user_cache_dir("edge-bert")
    path = Path(root).joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
