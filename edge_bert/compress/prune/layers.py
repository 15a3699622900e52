"""Fewer layers: the encoder with some of them, and the best ones to keep."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.compress.prune.output_error import output_error
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.progress import Progress, no_progress


def prune_layers(weights: EncoderWeights, layers: Sequence[int]) -> EncoderWeights:
    """The encoder with only the layers of these indices.

    Raises InputError for indices that do not rise or that the encoder does not have.
    """
    indices = check_layers(layers, weights.config.layers)
    return weights.with_layers([weights.layers[index] for index in indices])


def check_layers(layers: Sequence[int], present: int) -> tuple[int, ...]:
    """The indices of layers to keep, of `present` ones; raises InputError for impossible ones."""
    if not layers or list(layers) != sorted(set(layers) & set(range(present))):
        raise InputError(
            f"the layers {list(layers)} cannot be kept; give rising numbers from 0 to "
            f"{present - 1}."
        )
    return tuple(layers)


def spread_layers(count: int, present: int) -> tuple[int, ...]:
    """So many of the `present` layers, evenly spread, the last one among them."""
    return tuple(round((index + 1) * present / count) - 1 for index in range(count))


def rank_layers(
    weights: EncoderWeights,
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
    fewest: int = 1,
) -> tuple[tuple[int, ...], ...]:
    """The best layers to keep for every number of them, from all down to the `fewest`.

    Greedy: each round drops the layer without which the outputs for `sentences` change least. It
    costs layers * layers / 2 runs of the sentences.
    """
    expected = numpy_forward.run_encoder(weights, sentences)
    kept_layers = tuple(range(weights.config.layers))
    ranking = [kept_layers]
    while len(kept_layers) > fewest:
        progress(f"layers: which of {len(kept_layers)} matters least")
        choices = [tuple(x for x in kept_layers if x != dropped) for dropped in kept_layers]
        errors = [
            output_error(
                numpy_forward.run_encoder(prune_layers(weights, choice), sentences), expected
            )
            for choice in choices
        ]
        kept_layers = choices[errors.index(min(errors))]
        ranking.append(kept_layers)
    return tuple(ranking)
