"""The candidates of one model on one device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge_bert.compress.prune import allocate_sparsity
from edge_bert.compress.prune.allocate_sparsity import NEURONS_AT_ONCE, ErrorCurves
from edge_bert.errors import ModelError
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.pipeline.sizing.candidate_session import trimmed_sizes
from edge_bert.pipeline.sizing.pruning_stats import PruningStats
from edge_bert.quantize.tflite_runtime_2_14 import TFLITE_RUNTIME_2_14
from edge_bert.records.candidate import Structure
from edge_bert.records.recipe import RECIPES, WI8_AFP32, Scheme
from edge_bert.search.space import Space

FEWEST_LAYERS = 0.5  # of those that there are
NEURONS = (0.25, 0.5, 0.75, 1.0)
HEADS = (0.5, 0.75, 1.0)
VOCABULARIES = (8_000, 12_000, 16_000, 20_000)
# Which layers have so many heads or neurons decides which matrices can have 4 bits instead of 8.
ROOM = 2
Rows = tuple[tuple[int, ...], ...]
MIXED_BITS = "wi4_afp32"  # the recipe whose layers may have 4 or 8 bits


def space_of(asked: BuildOptions, worth: PruningStats) -> Space:
    """Layers, neurons, heads, tokens and bits to choose among, cheapest first."""
    return _space(asked, worth.layers, worth.curves)


def outline_of(asked: BuildOptions) -> Space | None:
    """A space that needs no measuring: as many layers, neurons and heads in all as in `space_of`,
    but the first layers, and each with its even share.

    A candidate of `space_of` has no fewer multiply-adds than the one with the same choices here,
    and no less than 1 / `ROOM` of its bytes. None where the layers differ in their sizes, so that
    it matters which ones stay.
    """
    shape = artifacts.session_weights(open_session(asked)).config
    if len({*shape.heads}) > 1 or len({*shape.ffn}) > 1 or shape.ffn[0] % NEURONS_AT_ONCE:
        return None
    layers = tuple(tuple(range(count)) for count in range(shape.layers, 0, -1))
    return _space(asked, layers, ErrorCurves(_rising(shape.heads), _rising(shape.ffn)))


def _rising(present: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    """Curves by which every next head or neuron of a layer costs more, and all layers alike."""
    return tuple(tuple(float(gone**2) for gone in range(count + 1)) for count in present)


def _space(asked: BuildOptions, ranked: Sequence[tuple[int, ...]], curves: ErrorCurves) -> Space:
    request = open_session(asked)
    shape = artifacts.session_weights(request).config
    fewest = max(1, round(FEWEST_LAYERS * shape.layers))
    layers = tuple(kept for kept in reversed(ranked) if len(kept) >= fewest)

    def planned(heads: float, neurons: float) -> list[Structure]:
        return [
            allocate_sparsity.plan_structure(curves, kept, heads, neurons, shape.vocabulary)
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


def _vocabularies(asked: BuildOptions, rows: int) -> tuple[int, ...]:
    """All tokens, and fewer as far as the tokenizer can do with them.

    Of Chinese, single characters alone are more than the fewest tokens here.
    """
    try:
        possible = trimmed_sizes(asked)
    except ModelError:
        return (rows,)
    return (*(each for each in VOCABULARIES if each in possible and each < rows), rows)


def wanted_recipes(asked: BuildOptions) -> tuple[str, ...]:
    """The recipes with integer weights that the profile wants, best first."""
    names = open_session(asked).profile.default_recipes
    found = [name for name in names if RECIPES[name].scheme is not Scheme.FLOAT]
    return tuple(found) or (WI8_AFP32.name,)


def _fewer_bits(asked: BuildOptions) -> bool:
    """Whether the profile's runtime takes 4-bit weights."""
    return open_session(asked).profile.parsed_runtime() != TFLITE_RUNTIME_2_14


def _different(choices: Iterable[Rows]) -> tuple[Rows, ...]:
    return tuple(dict.fromkeys(choices))


def _bits(layers: int) -> tuple[tuple[int, ...], ...]:
    """All 4 bits; 8 in the first half, where errors go through more layers; all 8."""
    half = layers // 2
    return ((4,) * layers, (8,) * half + (4,) * (layers - half), (8,) * layers)
