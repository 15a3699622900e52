"""Fewer attention heads; the size of a head stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edge_bert.compress.prune.importance import Importance
from edge_bert.compress.prune.refit import check_counts, refit_matrix, select_outputs
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray


def prune_heads(
    weights: EncoderWeights, importance: Importance, counts: Sequence[int]
) -> EncoderWeights:
    """The encoder with the `counts[i]` most important heads in layer i.

    The attention's output matrix is refitted to the heads that stay, as `prune_ffn` does. Raises
    InputError for a count that a layer cannot have.
    """
    check_counts("heads", counts, weights, weights.config.heads)
    size = weights.config.head_size
    layers = list(weights.layers)
    for index, (count, layer) in enumerate(zip(counts, weights.layers, strict=True)):
        if count < weights.config.heads[index]:
            inputs = importance.heads[index]
            heads = np.asarray(inputs.removals.keep(count))
            channels = (heads[:, None] * size + np.arange(size)).reshape(-1).tolist()
            layers[index] = dataclasses.replace(
                layer,
                query=select_outputs(layer.query, channels),
                key=select_outputs(layer.key, channels),
                value=select_outputs(layer.value, channels),
                attention_output=refit_matrix(layer.attention_output, inputs, channels),
                relative_bias=_select_heads(layer.relative_bias, heads.tolist()),
            )
    return weights.with_layers(layers)


def _select_heads(table: FloatArray | None, heads: Sequence[int]) -> FloatArray | None:
    """The columns of a relative bias [buckets, heads] whose heads stay."""
    return None if table is None else np.ascontiguousarray(table[:, list(heads)])
