"""Structures as arrays of a batch, and how the layers run by them; one graph serves all.

The heads and neurons of a sub-network are the first of each layer. Where the backend's graphs take
sizes as they run, the others are not computed; else gates on them are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from edge_bert.compress.train.backends.choose_backend import Batch, takes_sizes
from edge_bert.compress.train.batches import Array, BatchPlan
from edge_bert.compress.train.supernet.block_cut import BlockCut
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.keras_bert import BlockChange, BlockGates
from edge_bert.records.candidate import Structure
from edge_bert.records.supernet import SubnetworkGrid

HEADS, NEURONS, HELD = "subnetworks.heads", "subnetworks.neurons", "subnetworks.held"


def encode_structures(config: EncoderConfig, structures: Sequence[Structure]) -> dict[str, Array]:
    """The arrays [structures, layers] of `structures`, which `read_changes` reads.

    How many heads and neurons each layer has, 0 where it is not there, and whether its output is
    the last before a layer that is, and so held to the teacher's.
    """
    shape = (len(structures), config.layers)
    arrays: dict[str, Array] = {
        HEADS: np.zeros(shape, np.int32),
        NEURONS: np.zeros(shape, np.int32),
        HELD: np.zeros(shape, np.float32),
    }
    for row, structure in enumerate(structures):
        layers = list(structure.layers)
        arrays[HEADS][row, layers] = structure.heads
        arrays[NEURONS][row, layers] = structure.ffn
        arrays[HELD][row, [stop - 1 for stop in (*layers[1:], config.layers)]] = 1
    return arrays


def read_changes(config: EncoderConfig, batch: Batch, row: int) -> list[BlockChange]:
    """How each layer runs for the structure at `row`."""
    counts = [(batch[HEADS][row, i], batch[NEURONS][row, i]) for i in range(config.layers)]
    if takes_sizes():
        return [BlockCut(heads, neurons) for heads, neurons in counts]
    return [
        BlockGates(
            context=ops.repeat(_open_first(heads, config.heads[layer]), config.head_size, axis=-1),
            neurons=_open_first(neurons, config.ffn[layer]),
            layer=ops.cast(heads > 0, "float32"),
        )
        for layer, (heads, neurons) in enumerate(counts)
    ]


def draw_structures(
    grid: SubnetworkGrid,
    vocabulary: int,
    count: int,
    seed: int,
    plan: BatchPlan,
    *,
    both_ends: bool,
) -> list[Structure]:
    """The largest or the smallest, or with `both_ends` the two in this order, then `count` random
    ones: the sandwich rule (arXiv:1903.05134).

    The same for the same batch of the same run.
    """
    random = np.random.Generator(np.random.PCG64([seed, plan.length, *plan.rows.tolist()]))
    ends = [[size - 1 for size in grid.sizes], [0, 0, 0]]
    ends = ends if both_ends else [ends[random.integers(2)]]
    places = [*ends, *(random.integers(grid.sizes).tolist() for _ in range(count))]
    return [grid.pick_structure(layers, heads, ffn, vocabulary) for layers, heads, ffn in places]


def mean_held(errors: Sequence[Any], batch: Mapping[str, Any], row: int) -> Any:
    """The mean of `errors`, one for each layer, over the layers of a structure that are held."""
    held = batch[HELD][row]
    total = sum(error * held[layer] for layer, error in enumerate(errors))
    return total / ops.maximum(ops.sum(held), 1.0)


def _open_first(count: Any, size: int) -> Any:
    """Gates [size] of which the first `count` are open."""
    return ops.cast(ops.arange(size) < count, "float32")
