"""Paths of structures: they fall by a factor in each step and end where they should."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from edge_bert.compress.prune.allocate_sparsity import ErrorCurves, plan_structure
from edge_bert.compress.prune.structure_path import (
    plan_path,
    relative_structure,
    whole_structure,
)
from edge_bert.encoder.config import EncoderConfig
from edge_bert.records.candidate import Structure

CONFIG = EncoderConfig(
    hidden=96,
    head_size=8,
    heads=(12,) * 4,
    ffn=(1536,) * 4,
    vocabulary=100,
    positions=64,
    token_types=2,
    epsilon=1e-12,
)
RANKING = ((0, 1, 2, 3), (0, 2, 3), (0, 3), (3,))


def structure(layers: tuple[int, ...], heads: tuple[int, ...], ffn: tuple[int, ...]) -> Structure:
    """A structure of the config's vocabulary."""
    return Structure(layers=layers, heads=heads, ffn=ffn, vocabulary=CONFIG.vocabulary)


FINAL = structure((0, 3), (3, 12), (384, 1536))


def test_a_path_falls_by_one_factor_and_ends_at_its_structure() -> None:
    """Half of what is there in each of two steps to a quarter; what keeps all keeps it always."""
    path = plan_path(CONFIG, FINAL, RANKING, 2)
    assert path[-1] == FINAL
    assert path[0].layers == (0, 2, 3)
    assert path[0].heads == (6, 12, 12)
    assert path[0].ffn == (768, 1536, 1536)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7])
def test_no_count_of_a_path_ever_rises(steps: int) -> None:
    """Nor is a layer back that went; neurons go 32 at a time."""
    path = plan_path(CONFIG, FINAL, RANKING, steps)
    assert len(path) == steps
    for before, after in itertools.pairwise((whole_structure(CONFIG), *path)):
        assert set(after.layers) <= set(before.layers)
        for layer, heads, ffn in zip(after.layers, after.heads, after.ffn, strict=True):
            place = before.layers.index(layer)
            assert heads <= before.heads[place]
            assert ffn <= before.ffn[place]
            assert ffn % 32 == 0


def test_steps_that_cut_nothing_are_left_out() -> None:
    """One head less is one step, however many are asked for."""
    final = structure((0, 1, 2, 3), (11, 12, 12, 12), (1536,) * 4)
    assert plan_path(CONFIG, final, RANKING[:1], 5) == (final,)


def test_widths_of_no_even_step_are_met_exactly() -> None:
    """A width that is no multiple of 32 is the end of the path, and never passed on the way."""
    config = dataclasses.replace(CONFIG, ffn=(1000,) * 4)
    final = structure((0, 1, 2, 3), (12,) * 4, (499, 1000, 1000, 1000))
    path = plan_path(config, final, RANKING[:1], 4)
    assert path[-1] == final
    assert all(step.ffn[0] >= 499 for step in path)


def test_places_are_those_of_the_layers_that_are_left() -> None:
    """Layer 3 is the last of two."""
    assert relative_structure(FINAL, (0, 2, 3)).layers == (0, 2)


@pytest.mark.parametrize(("heads", "neurons"), [(0.67, 0.5), (0.5, 0.25), (1.0, 0.9)])
def test_shares_are_kept_over_all_layers_together(heads: float, neurons: float) -> None:
    """The totals are the shares', however the layers differ."""

    def curves(present: int) -> tuple[tuple[float, ...], ...]:
        return tuple(
            tuple(factor * (gone / present) ** 2 for gone in range(present + 1))
            for factor in (1.0, 5.0, 2.0, 9.0)
        )

    planned = plan_structure(ErrorCurves(curves(12), curves(1536)), (0, 1, 2, 3), heads, neurons, 9)
    assert sum(planned.heads) == round(heads * 48)
    assert 0 <= sum(planned.ffn) - neurons * 4 * 1536 < 32
    assert len({*planned.ffn}) > 1
