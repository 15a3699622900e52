"""Where edge-bert keeps what it can make again: models, built files, isolated environments."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import platformdirs

from edge_bert.errors import InputError
from edge_bert.store.in_use import share_folder
from edge_bert.store.leftovers import sweep_once
from edge_bert.store.trust import describe_status, may_trust

# Set for this process and those that it starts: by --strict, and when a folder was told of.
STRICT, TOLD = "EDGE_BERT_STRICT", "EDGE_BERT_CACHE_TOLD"


def locate_cache() -> Path:
    """Where the cache is, or would be."""
    return Path(os.environ.get("EDGE_BERT_CACHE") or platformdirs.user_cache_dir("edge-bert"))


def cache_folder(*parts: str) -> Path:
    """A folder under the cache, made if need be; `EDGE_BERT_CACHE` moves the cache.

    A warning says once that others may write there. Raises InputError where it cannot be made,
    and, with `--strict`, where others may write there.
    """
    root = locate_cache()
    path = root.joinpath(*parts)
    try:
        root.mkdir(parents=True, exist_ok=True)
        share_folder(root)
        path.mkdir(parents=True, exist_ok=True)
        for count in range(len(parts) + 1):
            _check_trust(root.joinpath(*parts[:count]))
    except OSError as error:
        raise InputError(
            f"The cache {root} cannot be written ({error.strerror}); point EDGE_BERT_CACHE to a "
            "folder that can."
        ) from error
    sweep_once(path)
    return path


def _check_trust(folder: Path) -> None:
    status = folder.stat()
    if may_trust(status):
        return
    line = (
        f"The cache folder {folder} may be written by others ({describe_status(status)}), and what "
        "they put there would be used; `chmod -R go-w` it, or point EDGE_BERT_CACHE to a folder "
        "of your own."
    )
    if os.environ.get(STRICT):
        raise InputError(line)
    told = os.environ.get(TOLD, "").split(os.pathsep)
    if str(folder) not in told:
        os.environ[TOLD] = os.pathsep.join([*told, str(folder)])
        warnings.warn(line, stacklevel=3)
