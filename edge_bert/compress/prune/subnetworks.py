"""Sub-networks of a super-network: its heads and neurons by importance, and cuts of the first ones.

Slimmable networks (Yu and Huang 2019, arXiv:1903.05134) and once-for-all networks (Cai et al. 2020,
arXiv:1908.09791): a smaller network is a prefix of each layer of the whole one, with its weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.compress.prune.allocate_sparsity import ErrorCurves, plan_structure
from edge_bert.compress.prune.importance import Importance
from edge_bert.compress.prune.layers import check_layers
from edge_bert.compress.prune.refit import check_counts, select_outputs
from edge_bert.encoder.weights import DenseWeights, EncoderWeights, LayerWeights
from edge_bert.errors import InputError
from edge_bert.records.candidate import Structure
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.supernet import SubnetworkGrid

HEAD_CHOICES, NEURON_CHOICES = 3, 4
Places = tuple[int, ...]


@dataclass(frozen=True)
class UnitOrder:
    """For each layer its heads and its neurons, the most important first."""

    heads: tuple[Places, ...]
    neurons: tuple[Places, ...]


@dataclass(frozen=True)
class LeastShares:
    """The smallest sub-network: its number of layers, and shares of their heads and neurons."""

    layers: int
    heads: float
    neurons: float


def order_units(weights: EncoderWeights, importance: Importance) -> UnitOrder:
    """The order of `importance`, last to go first.

    Layers that share one table of relative biases have one order of heads: that of the mean rank.
    """
    heads = [tuple(reversed(ranked.removals.order)) for ranked in importance.heads]
    neurons = [tuple(reversed(ranked.removals.order)) for ranked in importance.neurons]
    if weights.layers[0].relative_bias is not None and len(set(weights.tied_biases)) == 1:
        ranks = np.mean([np.argsort(order) for order in heads], axis=0)
        heads = [tuple(np.argsort(ranks, kind="stable").tolist())] * len(heads)
    return UnitOrder(tuple(heads), tuple(neurons))


def sort_units(weights: EncoderWeights, order: UnitOrder) -> EncoderWeights:
    """The same encoder with the heads and neurons of each layer in this order."""
    tables: dict[int, FloatArray] = {}
    layers = []
    for layer, heads, neurons in zip(weights.layers, order.heads, order.neurons, strict=True):
        picked = _pick_units(layer, weights.config.head_size, heads, neurons)
        if layer.relative_bias is not None and picked.relative_bias is not None:
            shared = tables.setdefault(id(layer.relative_bias), picked.relative_bias)
            picked = dataclasses.replace(picked, relative_bias=shared)
        layers.append(picked)
    return weights.with_layers(layers)


def cut_subnetwork(weights: EncoderWeights, structure: Structure) -> EncoderWeights:
    """The encoder with the layers of `structure` and so many of their first heads and neurons.

    Its vocabulary is left to `prune_embeddings`. Raises InputError for a structure that the encoder
    cannot have, and for an encoder with exits, which were trained on rows of the whole one.
    """
    if weights.exits:
        raise InputError("A model with exits has no sub-networks; cut one first, then train exits.")
    indices = check_layers(structure.layers, weights.config.layers)
    kept = weights.with_layers([weights.layers[index] for index in indices])
    check_counts("heads", structure.heads, kept, kept.config.heads)
    check_counts("neurons", structure.ffn, kept, kept.config.ffn)
    size = weights.config.head_size
    return kept.with_layers(
        [
            _pick_units(layer, size, range(heads), range(neurons))
            for layer, heads, neurons in zip(
                kept.layers, structure.heads, structure.ffn, strict=True
            )
        ]
    )


def plan_grid(
    curves: ErrorCurves, ranked_layers: Sequence[Places], least: LeastShares
) -> SubnetworkGrid:
    """The sub-networks from `least` to the whole encoder.

    `ranked_layers` has the best layers of each number, most first. Of all layers together the
    shares of heads and neurons fall evenly, shared out where the error rises least.
    """
    layers = [kept for kept in reversed(ranked_layers) if len(kept) >= least.layers]

    def plan(heads: float, neurons: float) -> list[Structure]:
        return [plan_structure(curves, kept, heads, neurons, 1) for kept in layers]

    heads = np.linspace(least.heads, 1.0, HEAD_CHOICES).tolist()
    neurons = np.linspace(least.neurons, 1.0, NEURON_CHOICES).tolist()
    return SubnetworkGrid(
        layers=tuple(layers),
        heads=tuple(dict.fromkeys(tuple(x.heads for x in plan(share, 1.0)) for share in heads)),
        ffn=tuple(dict.fromkeys(tuple(x.ffn for x in plan(1.0, share)) for share in neurons)),
    )


def _pick_units(
    layer: LayerWeights, head_size: int, heads: Sequence[int], neurons: Sequence[int]
) -> LayerWeights:
    """The layer with these heads and neurons, in this order; nothing is refitted."""
    channels = (np.asarray(heads)[:, None] * head_size + np.arange(head_size)).reshape(-1).tolist()
    table = layer.relative_bias
    return dataclasses.replace(
        layer,
        query=select_outputs(layer.query, channels),
        key=select_outputs(layer.key, channels),
        value=select_outputs(layer.value, channels),
        attention_output=_select_inputs(layer.attention_output, channels),
        ffn_in=select_outputs(layer.ffn_in, neurons),
        ffn_out=_select_inputs(layer.ffn_out, neurons),
        relative_bias=None if table is None else np.ascontiguousarray(table[:, list(heads)]),
    )


def _select_inputs(dense: DenseWeights, channels: Sequence[int]) -> DenseWeights:
    """The matrix with only these of its inputs."""
    return DenseWeights(dense.kernel[list(channels)], dense.bias)
