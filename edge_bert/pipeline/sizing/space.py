"""The candidates of one model on one device."""

from __future__ import annotations

from collections.abc import Iterable

from edge_bert.compress import allocation
from edge_bert.errors import ModelError
from edge_bert.pipeline import convert
from edge_bert.pipeline.sizing.asked import Asked, request_of
from edge_bert.pipeline.sizing.candidate import trimmed_sizes
from edge_bert.pipeline.sizing.worth import Worth
from edge_bert.quantize.oldest_runtime import OLDEST
from edge_bert.records.candidate import Structure
from edge_bert.records.recipe import RECIPES, WI8_AFP32, Scheme
from edge_bert.search.space import Space

FEWEST_LAYERS = 0.5  # of those that there are
NEURONS = (0.25, 0.5, 0.75, 1.0)
HEADS = (0.5, 0.75, 1.0)
VOCABULARIES = (8_000, 12_000, 16_000, 20_000)
Rows = tuple[tuple[int, ...], ...]
MIXED_BITS = "wi4_afp32"  # the recipe whose layers may have 4 or 8 bits


def space_of(asked: Asked, worth: Worth) -> Space:
    """Layers, neurons, heads, tokens and bits to choose among, cheapest first."""
    request = request_of(asked)
    shape = convert.weights_of(request).shape
    fewest = max(1, round(FEWEST_LAYERS * shape.layers))
    layers = tuple(kept for kept in reversed(worth.layers) if len(kept) >= fewest)

    def planned(heads: float, neurons: float) -> list[Structure]:
        return [
            allocation.plan(worth.curves, kept, heads, neurons, shape.vocabulary)
            for kept in layers
        ]

    four = _fewer_bits(asked)
    return Space(
        layers=layers,
        ffn=_different(tuple(each.ffn for each in planned(1.0, share)) for share in NEURONS),
        heads=_different(tuple(each.heads for each in planned(share, 1.0)) for share in HEADS),
        vocabulary=_vocabularies(asked, shape.vocabulary),
        matrix_bits=_bits(shape.layers) if four else ((8,) * shape.layers,),
        embedding_bits=(4, 8) if four else (8,),
        lengths=(request.lengths,),
        recipes=wanted_recipes(asked)[:1],
        fewer_bits=MIXED_BITS if four else None,
    )


def _vocabularies(asked: Asked, rows: int) -> tuple[int, ...]:
    """All tokens, and fewer as far as the tokenizer can do with them.

    Of Chinese, single characters alone are more than the fewest tokens here.
    """
    try:
        possible = trimmed_sizes(asked)
    except ModelError:
        return (rows,)
    return (*(each for each in VOCABULARIES if each in possible and each < rows), rows)


def wanted_recipes(asked: Asked) -> tuple[str, ...]:
    """The recipes with integer weights that the profile wants, best first."""
    names = request_of(asked).profile.default_recipes
    found = [name for name in names if RECIPES[name].scheme is not Scheme.FLOAT]
    return tuple(found) or (WI8_AFP32.name,)


def _fewer_bits(asked: Asked) -> bool:
    """Whether the profile's runtime takes 4-bit weights."""
    return request_of(asked).profile.parsed_runtime() != OLDEST


def _different(choices: Iterable[Rows]) -> tuple[Rows, ...]:
    return tuple(dict.fromkeys(choices))


def _bits(layers: int) -> tuple[tuple[int, ...], ...]:
    """All 4 bits; 8 in the first half, where errors go through more layers; all 8."""
    half = layers // 2
    return ((4,) * layers, (8,) * half + (4,) * (layers - half), (8,) * layers)
