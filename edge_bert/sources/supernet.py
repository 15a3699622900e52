"""Reading of `supernet.json`, which says what sub-networks a model was trained for."""

from __future__ import annotations

from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_versioned
from edge_bert.formats.model_file import has_model_file, open_model_file
from edge_bert.records.supernet import FORMAT_VERSION, Supernet

FILE, WEIGHTS = "supernet.json", "model.safetensors"
AGAIN = "train it again with `invoke supernet`, or delete the file to take the model as any other"


def read_supernet(
    folder: Path | None, heads: tuple[int, ...], ffn: tuple[int, ...]
) -> Supernet | None:
    """The sub-networks of the model in a folder; None for a model that has none.

    `heads` and `ffn` are how many of them each layer of the model has. Raises ModelError for a file
    that is damaged, of another version, of other weights, or that names what the model lacks.
    """
    if folder is None or not has_model_file(folder / FILE):
        return None
    path = folder / FILE
    supernet = read_versioned(Supernet, path, FORMAT_VERSION, AGAIN)
    if not _fits(supernet, heads, ffn):
        raise ModelError(f"{path} names layers, heads or neurons that the model lacks; {AGAIN}.")
    weights = folder / WEIGHTS
    if not has_model_file(weights) or open_model_file(weights).digest() != supernet.weights_sha256:
        raise ModelError(f"{path} is of other weights than {WEIGHTS} beside it; {AGAIN}.")
    return supernet


def _fits(supernet: Supernet, heads: tuple[int, ...], ffn: tuple[int, ...]) -> bool:
    """Whether the largest sub-network is the model, and its orders are of the model's layers."""
    grid = supernet.grid
    return (
        tuple(map(len, supernet.head_order)) == heads
        and tuple(map(len, supernet.neuron_order)) == ffn
        and grid.layers[-1] == tuple(range(len(heads)))
        and grid.heads[-1][-1] == heads
        and grid.ffn[-1][-1] == ffn
        and _stays_within(grid.layers, grid.heads, heads)
        and _stays_within(grid.layers, grid.ffn, ffn)
    )


def _stays_within(
    layers: tuple[tuple[int, ...], ...],
    choices: tuple[tuple[tuple[int, ...], ...], ...],
    most: tuple[int, ...],
) -> bool:
    """Whether no layer of a choice has more than it has in the model."""
    return all(
        count <= most[layer]
        for choice in choices
        for row, indices in zip(choice, layers, strict=True)
        for count, layer in zip(row, indices, strict=True)
    )
