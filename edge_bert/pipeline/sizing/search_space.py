"""The candidates of one model on one device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge_bert.compress.prune import allocate_sparsity
from edge_bert.compress.prune.allocate_sparsity import NEURONS_AT_ONCE, ErrorCurves
from edge_bert.errors import ModelError
from edge_bert.pipeline.sizing.pruning_stats import PruningStats
from edge_bert.pipeline.sizing.session import SizingSession
from edge_bert.records.candidate import Structure
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, DeviceProfile
from edge_bert.records.recipe import RECIPES, WI2C_AFP32, WI4C_AFP32, WI8_AFP32, Scheme
from edge_bert.records.supernet import SubnetworkGrid, Supernet
from edge_bert.search.space import Space

FEWEST_LAYERS = 0.5  # of those that there are
NEURONS = (0.25, 0.5, 0.75, 1.0)
HEADS = (0.5, 0.75, 1.0)
VOCABULARIES = (8_000, 12_000, 16_000, 20_000)
# Which layers have so many heads or neurons decides which matrices can have 4 bits instead of 8.
ROOM = 2
Rows = tuple[tuple[int, ...], ...]
# With a scale per channel, which costs no more than 8 bits: blocks of 64 take 1.2 to 1.5 times.
NARROW_RECIPES = (WI4C_AFP32.name, WI2C_AFP32.name)


def measured_space(sizing: SizingSession, stats: PruningStats) -> Space:
    """Layers, neurons, heads, tokens and bits to choose among, cheapest first."""
    return _space(sizing, _plan_grid(sizing, stats.layers, stats.curves))


def trained_space(sizing: SizingSession, supernet: Supernet) -> Space:
    """The sub-networks that were trained, with tokens and bits to choose among."""
    return _space(sizing, supernet.grid)


def outline_space(sizing: SizingSession) -> Space | None:
    """A space that needs no measuring: the layer, neuron and head counts of `measured_space`, but
    always the first layers, each with an even share of the heads and neurons.

    A candidate of `measured_space` has no fewer multiply-adds than the one with the same choices
    here, and no less than 1 / `ROOM` of its bytes. None where the layers differ in their sizes, so
    that it matters which ones stay.
    """
    config = sizing.build.weights.config
    if len({*config.heads}) > 1 or len({*config.ffn}) > 1 or config.ffn[0] % NEURONS_AT_ONCE:
        return None
    layers = tuple(tuple(range(count)) for count in range(config.layers, 0, -1))
    curves = ErrorCurves(_rising(config.heads), _rising(config.ffn))
    return _space(sizing, _plan_grid(sizing, layers, curves))


def _rising(counts: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    """Convex error curves, the same for all layers: each further head or neuron costs more."""
    return tuple(tuple(float(removed**2) for removed in range(count + 1)) for count in counts)


def _plan_grid(
    sizing: SizingSession, ranked: Sequence[tuple[int, ...]], curves: ErrorCurves
) -> SubnetworkGrid:
    """Layers, heads and neurons to choose among; the best layers of each number are `ranked`."""
    config = sizing.build.weights.config
    fewest = max(1, round(FEWEST_LAYERS * config.layers))
    layers = tuple(indices for indices in reversed(ranked) if len(indices) >= fewest)

    def plan(heads: float, neurons: float) -> list[Structure]:
        return [
            allocate_sparsity.plan_structure(curves, indices, heads, neurons, config.vocabulary)
            for indices in layers
        ]

    return SubnetworkGrid(
        layers=layers,
        heads=_distinct(
            tuple(structure.heads for structure in plan(share, 1.0)) for share in HEADS
        ),
        ffn=_distinct(tuple(structure.ffn for structure in plan(1.0, share)) for share in NEURONS),
    )


def _space(sizing: SizingSession, grid: SubnetworkGrid) -> Space:
    session, config = sizing.build, sizing.build.weights.config
    narrow = session.profile.parsed_runtime() != TFLITE_RUNTIME_2_14
    return Space(
        layers=grid.layers,
        ffn=grid.ffn,
        heads=grid.heads,
        vocabulary=_vocabularies(sizing, config.vocabulary),
        matrix_bits=_matrix_bits(config.layers) if narrow else ((8,) * config.layers,),
        embedding_bits=(4, 8) if narrow else (8,),
        lengths=(session.lengths,),
        recipes=integer_recipes(session.profile)[:1],
        narrow_recipes=NARROW_RECIPES if narrow else (),
    )


def _vocabularies(sizing: SizingSession, rows: int) -> tuple[int, ...]:
    """Vocabulary sizes: all tokens, and fewer where the tokenizer can be trimmed so far.

    Of Chinese, single characters alone are more than the fewest tokens here.
    """
    try:
        possible = sizing.trimmed_sizes
    except ModelError:
        return (rows,)
    return (*(size for size in VOCABULARIES if size in possible and size < rows), rows)


def integer_recipes(profile: DeviceProfile) -> tuple[str, ...]:
    """The recipes with integer weights that the profile prefers, best first."""
    names = [name for name in profile.default_recipes if RECIPES[name].scheme is not Scheme.FLOAT]
    return tuple(names) or (WI8_AFP32.name,)


def _distinct(choices: Iterable[Rows]) -> tuple[Rows, ...]:
    return tuple(dict.fromkeys(choices))


def _matrix_bits(layers: int) -> tuple[tuple[int, ...], ...]:
    """All 2 bits; all 4; 8 in the first half, where errors go through more layers; all 8."""
    half = layers // 2
    return ((2,) * layers, (4,) * layers, (8,) * half + (4,) * (layers - half), (8,) * layers)
