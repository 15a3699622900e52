"""Fewer layers: which ones, and the encoder without the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from edge_bert.compress.prune.output_error import output_error
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.progress import Progress, no_progress


def prune_layers(weights: EncoderWeights, layers: Sequence[int]) -> EncoderWeights:
    """The encoder with the layers of these numbers, rising; the others are gone.

    Raises InputError for numbers that do not rise or that the encoder does not have.
    """
    shape = weights.config
    layers = check_layers(layers, shape.layers)
    arrays = {
        name: array for name, array in weights.arrays.items() if not name.startswith("layer.")
    }
    for place, index in enumerate(layers):
        old = f"layer.{index}."
        arrays |= {
            f"layer.{place}.{name.removeprefix(old)}": array
            for name, array in weights.arrays.items()
            if name.startswith(old)
        }
    smaller = dataclasses.replace(
        shape,
        heads=tuple(shape.heads[index] for index in layers),
        ffn=tuple(shape.ffn[index] for index in layers),
    )
    return dataclasses.replace(weights, config=smaller, arrays=arrays)


def check_layers(layers: Sequence[int], present: int) -> tuple[int, ...]:
    """Numbers of layers to keep, of as many as are present; raises InputError for others."""
    if not layers or list(layers) != sorted(set(layers) & set(range(present))):
        raise InputError(
            f"the layers {list(layers)} cannot be kept; give rising numbers from 0 to "
            f"{present - 1}."
        )
    return tuple(layers)


def rank_layers(
    weights: EncoderWeights, sentences: Sequence[Sentence], progress: Progress = no_progress
) -> tuple[tuple[int, ...], ...]:
    """The best layers to keep for every number of them: the first entry has them all.

    Greedy: each step drops the layer without which the outputs for `sentences` move least. It
    costs layers * layers / 2 runs of the sentences.
    """
    expected = numpy_forward.run_encoder(weights, sentences)
    kept = tuple(range(weights.config.layers))
    found = [kept]
    while len(kept) > 1:
        progress(f"layers: which of {len(kept)} matters least")
        choices = [tuple(index for index in kept if index != gone) for gone in kept]
        harms = [
            output_error(
                numpy_forward.run_encoder(prune_layers(weights, choice), sentences), expected
            )
            for choice in choices
        ]
        kept = choices[harms.index(min(harms))]
        found.append(kept)
    return tuple(found)
