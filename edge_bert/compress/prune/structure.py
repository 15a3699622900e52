"""An encoder cut to a structure: the layers, heads and neurons that a candidate names."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.compress.prune import ffn, heads, layers
from edge_bert.compress.prune.ffn import share_weights
from edge_bert.compress.prune.importance import Importance
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
    """The encoder with only what `structure` keeps; its vocabulary is `vocabulary.take`'s part.

    `importance` is that of the whole encoder, measured once. Where layers go and `sentences` are
    given, inputs [1, n] by name, `correct` makes up for them (unless layers share their weights);
    heads and neurons need no more than the fit that they get from `importance` (docs/sizing.md).
    Raises InputError for a structure that the encoder cannot have.
    """
    shape = weights.config
    kept = layers.check_layers(structure.layers, shape.layers)
    counts, widths = list(shape.heads), list(shape.ffn)
    for place, layer in enumerate(kept):
        counts[layer], widths[layer] = structure.heads[place], structure.ffn[place]
    smaller = heads.prune_heads(weights, importance, counts)
    smaller = ffn.prune_ffn(smaller, importance, widths)
    smaller = layers.prune_layers(smaller, kept)
    if not sentences or len(kept) == shape.layers or share_weights(weights):
        return smaller
    return reconstruct_outputs(smaller, weights, kept, sentences, progress)
