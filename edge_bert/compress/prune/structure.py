"""An encoder cut to a structure: the layers, heads and neurons that a candidate names."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.compress.prune import ffn, heads, layers
from edge_bert.compress.prune.ffn import share_weights
from edge_bert.compress.prune.importance import Importance
from edge_bert.compress.prune.reconstruction import correct
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, silent
from edge_bert.records.candidate import Structure


def shrink(
    weights: EncoderWeights,
    importance: Importance,
    structure: Structure,
    sentences: Sequence[Sentence] = (),
    progress: Progress = silent,
) -> EncoderWeights:
    """The encoder with only what `structure` keeps; its vocabulary is `vocabulary.take`'s part.

    `importance` is that of the whole encoder, measured once. Where layers go and `sentences` are
    given, inputs [1, n] by name, `correct` makes up for them (unless layers share their weights);
    heads and neurons need no more than the fit that they get from `importance` (docs/sizing.md).
    Raises InputError for a structure that the encoder cannot have.
    """
    shape = weights.shape
    kept = layers.checked(structure.layers, shape.layers)
    counts, widths = list(shape.heads), list(shape.ffn)
    for place, layer in enumerate(kept):
        counts[layer], widths[layer] = structure.heads[place], structure.ffn[place]
    smaller = heads.keep(weights, importance, counts)
    smaller = ffn.keep(smaller, importance, widths)
    smaller = layers.keep(smaller, kept)
    if not sentences or len(kept) == shape.layers or share_weights(weights):
        return smaller
    return correct(smaller, weights, kept, sentences, progress)
