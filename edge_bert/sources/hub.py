"""A model from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

import os
from pathlib import Path

from edge_bert.errors import ModelError

DATA_FILES = ["*.json", "*.txt", "model.safetensors", "*/config.json"]
TIMEOUT_S = "10"


def from_cache(name: str) -> Path | None:
    """The newest snapshot of `name` in the local Hugging Face cache, if it is whole."""
    return _snapshot(name, local=True)


def fetch(name: str) -> Path:
    """The folder of `name`, downloaded from the hub; data files only.

    Raises ModelError when the hub cannot be reached or has no such model.
    """
    folder = from_cache(name) or _snapshot(name, local=False)
    if folder is None:
        raise ModelError(
            f"{name!r} is no folder, and the Hugging Face hub gives no model of that name "
            "(or cannot be reached from here); give --model a folder."
        )
    return folder


def _snapshot(name: str, *, local: bool) -> Path | None:
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", TIMEOUT_S)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    import huggingface_hub
    from huggingface_hub import errors

    try:
        path = huggingface_hub.snapshot_download(
            name, allow_patterns=DATA_FILES, local_files_only=local
        )
    except (OSError, ValueError, RuntimeError, errors.HfHubHTTPError, errors.HFValidationError):
        return None
    folder = Path(path)
    return folder if (folder / "model.safetensors").is_file() else None
