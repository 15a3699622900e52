"""Allocation: heads and neurons go where they cost least."""

from __future__ import annotations

import itertools

import pytest

from edge_bert.compress.prune import allocate_sparsity
from edge_bert.errors import InputError
from tests.compress.smaller import importance_of, sentences_of
from tests.one_line import refused
from tests.quantize.integer import encoders as tiny

CHEAP = (0.0, 0.1, 0.2, 0.3, 0.4)
DEAR = (0.0, 1.0, 2.0, 3.0, 4.0)
RISING = (0.0, 0.05, 0.4, 2.0, 5.0)


def test_what_costs_least_goes_first() -> None:
    """By the curves, each layer keeping at least one step."""
    assert allocate_sparsity.allocate_sparsity([CHEAP, DEAR], 8) == (4, 4)
    assert allocate_sparsity.allocate_sparsity([CHEAP, DEAR], 6) == (2, 4)
    assert allocate_sparsity.allocate_sparsity([CHEAP, DEAR], 4) == (1, 3)
    assert allocate_sparsity.allocate_sparsity([CHEAP, RISING], 5) == (2, 3)
    assert allocate_sparsity.allocate_sparsity([CHEAP, DEAR], 2) == (1, 1)


def test_steps_never_take_more_than_asked() -> None:
    """A total that is no sum of steps is rounded up."""
    assert allocate_sparsity.allocate_sparsity([CHEAP, DEAR], 5, step=2) == (2, 4)
    assert sum(allocate_sparsity.allocate_sparsity([CHEAP, CHEAP], 7, step=2)) == 8


@pytest.mark.parametrize("total", [-1, 0, 1, 9])
def test_totals_out_of_reach_are_refused(total: int) -> None:
    """Less than a step a layer, or more than there is."""
    with refused(InputError, "cannot be shared out"):
        allocate_sparsity.allocate_sparsity([CHEAP, DEAR], total)


def test_a_plan_is_a_structure_of_the_kept_layers() -> None:
    """Shares of what those layers have; never less than a head and 32 neurons in each."""
    weights = tiny.weights_of("bert")
    curves = allocate_sparsity.measure_curves(
        weights, importance_of("bert"), sentences_of("bert", seed=1)[:10]
    )
    found = allocate_sparsity.plan_structure(curves, (0, 1), 0.75, 0.5, 99)
    assert (sum(found.heads), sum(found.ffn), found.vocabulary) == (6, 256, 99)
    assert all(width % 32 == 0 for width in found.ffn)
    single = allocate_sparsity.plan_structure(curves, (1,), 0.01, 0.01, 99)
    assert (single.layers, single.heads, single.ffn) == ((1,), (1,), (32,))


def test_curves_start_at_nothing_and_never_fall() -> None:
    """One curve for every layer's heads and one for its neurons."""
    weights = tiny.weights_of("bert")
    curves = allocate_sparsity.measure_curves(
        weights, importance_of("bert"), sentences_of("bert", seed=1)[:30]
    )
    assert [len(each) for each in (*curves.heads, *curves.neurons)] == [5, 5, 257, 257]
    for curve in (*curves.heads, *curves.neurons):
        assert curve[0] == 0
        assert all(low <= high for low, high in itertools.pairwise(curve))
        assert curve[-1] > 0
