"""A model from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

import os
from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import has_model_file
from edge_bert.sources.weights import weights_files
from edge_bert.text import one_line

DATA_FILES = [
    *("*.json", "*.txt", "*.model", "model*.safetensors", "exits.safetensors"),
    *("*/config.json", "*/model.safetensors"),  # of sentence-transformers' modules
]
NEEDED = ("config.json", "tokenizer.json")
TIMEOUT_S = 10.0


def from_cache(name: str) -> Path | None:
    """The newest snapshot of `name` in the local Hugging Face cache, if it is whole."""
    try:
        folder = _snapshot(name, local=True)
    except ModelError:
        return None
    return folder if _is_whole(folder) else None


def _is_whole(folder: Path) -> bool:
    """Whether configuration, tokenizer and all parts of the weights are there.

    Beside a vocab.txt the hub may still have a tokenizer.json, so it is asked.
    """
    if not all(has_model_file(folder / name) for name in NEEDED):
        return False
    try:
        return bool(weights_files(folder))
    except ModelError:
        return False


def fetch_from_hub(name: str) -> Path:
    """The folder of `name`, from the cache or downloaded from the hub; data files only.

    Raises ModelError when the hub cannot be reached or has no such model.
    """
    return from_cache(name) or _snapshot(name, local=False)


def _snapshot(name: str, *, local: bool) -> Path:
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    import huggingface_hub

    try:
        if not local:
            # snapshot_download would ask the same without any time limit.
            huggingface_hub.HfApi().model_info(name, timeout=TIMEOUT_S)
        return Path(
            huggingface_hub.snapshot_download(
                name, allow_patterns=DATA_FILES, local_files_only=local
            )
        )
    except Exception as error:  # its own errors, and those of whatever HTTP client it uses
        first_line = str(error).partition("\n")[0]
        reason = f"{type(error).__name__}: {one_line(first_line)}"
        raise ModelError(
            f"{name[:100]!r} is no folder, and the Hugging Face hub gives no model of that name "
            f"or cannot be reached ({reason}); give --model a folder."
        ) from error
