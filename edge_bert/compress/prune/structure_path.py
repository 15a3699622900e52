"""From the whole encoder to a smaller structure in several steps, each a structure of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_bert.compress.prune.allocate_sparsity import NEURONS_AT_ONCE
from edge_bert.encoder.config import EncoderConfig
from edge_bert.records.candidate import Structure


def plan_path(
    config: EncoderConfig, final: Structure, ranked_layers: Sequence[Sequence[int]], steps: int
) -> tuple[Structure, ...]:
    """At most `steps` structures that fall from `config` to `final`, which is the last.

    The counts of a layer fall by the same factor in each step, as each cut is then the same share
    of what is there. Layers go one by one in the order of `ranked_layers`, the best ones of each
    number, most first, which hold `final.layers`; until it goes, a layer keeps all that it has.
    """
    path = [_structure_at(config, final, ranked_layers, step / steps) for step in range(1, steps)]
    path.append(final)
    whole = whole_structure(config)
    return tuple(structure for structure in dict.fromkeys(path) if structure != whole)


def whole_structure(config: EncoderConfig) -> Structure:
    """The structure that keeps all."""
    layers = tuple(range(config.layers))
    return Structure(layers, ffn=config.ffn, heads=config.heads, vocabulary=config.vocabulary)


def relative_structure(structure: Structure, present: Sequence[int]) -> Structure:
    """`structure` with its layers as places among the `present` ones, of the whole encoder."""
    places = {layer: place for place, layer in enumerate(present)}
    return Structure(
        layers=tuple(places[layer] for layer in structure.layers),
        ffn=structure.ffn,
        heads=structure.heads,
        vocabulary=structure.vocabulary,
    )


def _structure_at(
    config: EncoderConfig, final: Structure, ranked_layers: Sequence[Sequence[int]], done: float
) -> Structure:
    gone = math.ceil((config.layers - len(final.layers)) * done)
    layers = tuple(ranked_layers[gone])
    places = {layer: place for place, layer in enumerate(final.layers)}

    def count(present: int, counts: Sequence[int], layer: int, step: int) -> int:
        least = counts[places[layer]] if layer in places else present
        between = float(present * (least / present) ** done)
        return min(present, max(least, round(between / step) * step))

    return Structure(
        layers=layers,
        ffn=tuple(count(config.ffn[x], final.ffn, x, NEURONS_AT_ONCE) for x in layers),
        heads=tuple(count(config.heads[x], final.heads, x, 1) for x in layers),
        vocabulary=final.vocabulary,
    )
