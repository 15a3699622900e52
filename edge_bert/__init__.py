"""edge-bert: from a BERT checkpoint to the right TFLite file for each phone, with proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_bert.bundle.bundle import Bundle

__all__ = ["Bundle"]


def __getattr__(name: str) -> object:
    """Load `Bundle` when it is asked for, so that `invoke --list` need not."""
    if name == "Bundle":
        from edge_bert.bundle.bundle import Bundle

        return Bundle
    raise AttributeError(f"module 'edge_bert' has no attribute {name!r}")
