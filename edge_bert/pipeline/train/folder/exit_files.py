"""Writing of a model folder's exits: exits.safetensors and exits.json."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from edge_bert.encoder.weights import EncoderWeights, ExitWeights, HeadDense
from edge_bert.records.exits import ExitRule
from edge_bert.records.saved_exits import FORMAT_VERSION, SavedExit, SavedExits
from edge_bert.sources.exits import FILE, WEIGHTS
from edge_bert.store.content_store import encode_json


def write_exits(weights: EncoderWeights, rule: ExitRule, folder: Path) -> None:
    """Write the exits of `weights` and their rule; other libraries pass these files by."""
    arrays = {
        name: np.ascontiguousarray(array)
        for name, array in weights.arrays.items()
        if name.startswith("exit.")
    }
    saved = SavedExits(FORMAT_VERSION, tuple(map(_describe_exit, weights.exits)), rule)
    (folder / WEIGHTS).write_bytes(save(arrays))
    (folder / FILE).write_bytes(encode_json(saved))


def _describe_exit(exit_weights: ExitWeights) -> SavedExit:
    layers = [layer for layer in exit_weights.head_layers if isinstance(layer, HeadDense)]
    if len(layers) < len(exit_weights.head_layers):
        raise ValueError("exits have dense layers alone")
    dense = tuple(layer.activation for layer in layers)
    return SavedExit(exit_weights.after, dense, exit_weights.agreement is not None)  # type: ignore[arg-type]
