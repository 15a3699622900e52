"""Structures as arrays of a batch: gates on heads, neurons and layers; one graph serves all.

The heads and neurons of a sub-network are the first of each layer; the gates of the others are 0,
and a layer that it does not have passes on the rows that it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from edge_bert.compress.train.backends.choose_backend import Batch
from edge_bert.compress.train.batches import Array, BatchPlan
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.keras_bert import BlockGates
from edge_bert.records.candidate import Structure
from edge_bert.records.supernet import SubnetworkGrid

LAYERS, HELD = "subnetworks.layers", "subnetworks.held"


def encode_structures(config: EncoderConfig, structures: Sequence[Structure]) -> dict[str, Array]:
    """The arrays of `structures`, which `read_gates` reads.

    For each layer its heads and neurons [structures, n], whether it is there [structures, layers],
    and whether its output is the last before a layer that is, and so held to the teacher's.
    """
    arrays: dict[str, Array] = {
        LAYERS: np.zeros((len(structures), config.layers), np.float32),
        HELD: np.zeros((len(structures), config.layers), np.float32),
    }
    for layer in range(config.layers):
        of_heads, of_neurons = _name_gates(layer)
        arrays[of_heads] = np.zeros((len(structures), config.heads[layer]), np.float32)
        arrays[of_neurons] = np.zeros((len(structures), config.ffn[layer]), np.float32)
    for row, structure in enumerate(structures):
        following = (*structure.layers[1:], config.layers)
        counts = zip(structure.layers, structure.heads, structure.ffn, following, strict=True)
        for layer, heads, neurons, stop in counts:
            arrays[LAYERS][row, layer] = arrays[HELD][row, stop - 1] = 1
            of_heads, of_neurons = _name_gates(layer)
            arrays[of_heads][row, :heads] = 1
            arrays[of_neurons][row, :neurons] = 1
    return arrays


def read_gates(config: EncoderConfig, batch: Batch, row: int) -> list[BlockGates]:
    """The gates of each layer for the structure at `row`."""
    gates = []
    for layer in range(config.layers):
        heads, neurons = _name_gates(layer)
        gates.append(
            BlockGates(
                context=ops.repeat(batch[heads][row], config.head_size, axis=-1),
                neurons=batch[neurons][row],
                layer=batch[LAYERS][row, layer],
            )
        )
    return gates


def draw_structures(
    grid: SubnetworkGrid, vocabulary: int, count: int, seed: int, plan: BatchPlan
) -> list[Structure]:
    """The largest, the smallest and `count` random ones: the sandwich rule (arXiv:1903.05134).

    The same for the same batch of the same run.
    """
    random = np.random.Generator(np.random.PCG64([seed, plan.length, *plan.rows.tolist()]))
    largest = [size - 1 for size in grid.sizes]
    places = [largest, [0, 0, 0], *(random.integers(grid.sizes).tolist() for _ in range(count))]
    return [grid.pick_structure(layers, heads, ffn, vocabulary) for layers, heads, ffn in places]


def mean_held(errors: Sequence[Any], batch: Mapping[str, Any], row: int) -> Any:
    """The mean of `errors`, one for each layer, over the layers of a structure that are held."""
    held = batch[HELD][row]
    total = sum(error * held[layer] for layer, error in enumerate(errors))
    return total / ops.maximum(ops.sum(held), 1.0)


def _name_gates(layer: int) -> tuple[str, str]:
    """What the heads and the neurons of a layer are called in a batch."""
    return f"subnetworks.heads.{layer}", f"subnetworks.neurons.{layer}"
