"""The folder of a tiny super-network, as `invoke supernet` leaves it, but for the training."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_bert.records.supernet import FORMAT_VERSION, SubnetworkGrid, Supernet
from edge_bert.store.content_store import encode_json
from tests.tiny import models

GRID = SubnetworkGrid(
    layers=((1,), (0, 1)),
    heads=(((2,), (2, 3)), ((4,), (4, 4))),
    ffn=(((32,), (32, 40)), ((64,), (64, 64))),
)


def write_supernet(folder: Path) -> Path:
    """A model of two layers with four heads and 64 neurons each, and its `supernet.json`."""
    models.write(folder, "bert", "mean-normalize")
    heads, neurons = tuple(range(4)), tuple(range(64))
    supernet = Supernet(
        format_version=FORMAT_VERSION,
        weights_sha256=hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        grid=GRID,
        head_order=(heads, heads),
        neuron_order=(neurons, neurons),
    )
    (folder / "supernet.json").write_bytes(encode_json(supernet))
    return folder
