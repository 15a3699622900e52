"""Fewer neurons in the feed-forward sublayers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from edge_bert.compress.prune.importance import Importance
from edge_bert.compress.prune.refit import check_counts, refit_matrix, select_outputs
from edge_bert.encoder.weights import EncoderWeights


def prune_ffn(
    weights: EncoderWeights, importance: Importance, widths: Sequence[int]
) -> EncoderWeights:
    """The encoder with the `widths[i]` most important neurons in layer i.

    The output matrices are refitted to the neurons that stay, so that these stand in for those that
    go. Raises InputError for a width that a layer cannot have.
    """
    check_counts("neurons", widths, weights, weights.config.ffn)
    layers = list(weights.layers)
    for index, (width, layer) in enumerate(zip(widths, weights.layers, strict=True)):
        if width < weights.config.ffn[index]:
            inputs = importance.neurons[index]
            neurons = inputs.removals.keep(width)
            layers[index] = dataclasses.replace(
                layer,
                ffn_in=select_outputs(layer.ffn_in, neurons),
                ffn_out=refit_matrix(layer.ffn_out, inputs, neurons),
            )
    return weights.with_layers(layers)
