"""An encoder pruned to a structure: the layers, heads and neurons that a candidate names."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.compress.prune.ffn import prune_ffn
from edge_bert.compress.prune.heads import prune_heads
from edge_bert.compress.prune.importance import Importance
from edge_bert.compress.prune.layers import check_layers, prune_layers
from edge_bert.compress.prune.reconstruction import reconstruct_outputs
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Structure


def prune_to_structure(
    weights: EncoderWeights,
    importance: Importance,
    structure: Structure,
    sentences: Sequence[Sentence] = (),
    progress: Progress = no_progress,
) -> EncoderWeights:
    """The encoder with only what `structure` keeps; its vocabulary is left to `prune_embeddings`.

    `importance` is that of the unpruned encoder, measured once. Where layers go and `sentences` are
    given, inputs [1, n] by name, reconstruction makes up for them (unless layers share weights);
    heads and neurons need no more than the refit from `importance` (docs/sizing.md). Raises
    InputError for a structure that the encoder cannot have.
    """
    config = weights.config
    layers = check_layers(structure.layers, config.layers)
    heads, widths = list(config.heads), list(config.ffn)
    for index, layer in enumerate(layers):
        heads[layer], widths[layer] = structure.heads[index], structure.ffn[index]
    pruned = prune_heads(weights, importance, heads)
    pruned = prune_ffn(pruned, importance, widths)
    pruned = prune_layers(pruned, layers)
    if not sentences or len(layers) == config.layers or weights.shares_layers:
        return pruned
    return reconstruct_outputs(pruned, weights, layers, sentences, progress)
