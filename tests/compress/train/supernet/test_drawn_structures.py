"""Super-networks: a cut is what its gates gave, and each step draws its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.prune.subnetworks import UnitOrder, cut_subnetwork, sort_units
from edge_bert.compress.train.batches import BatchPlan, TokenizedTexts
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.encoder.weights import EncoderWeights, ExitWeights
from edge_bert.errors import InputError
from edge_bert.records.candidate import Structure
from edge_bert.records.supernet import SubnetworkGrid
from tests.tiny import models

import_tensorflow()

from edge_bert.compress.train.keras_student import build_student  # noqa: E402 (after TensorFlow's quiet import)
from edge_bert.compress.train.prune.rank_units import list_sentences  # noqa: E402
from edge_bert.compress.train.supernet.drawn_structures import draw_structures  # noqa: E402
from edge_bert.compress.train.supernet.train_supernet import (  # noqa: E402
    GatedPass,
)

GRID = SubnetworkGrid(
    layers=((1,), (0, 1)),
    heads=(((2,), (1, 3)), ((4,), (4, 4))),
    ffn=(((8,), (16, 24)), ((64,), (64, 64))),
)


def make_texts(count: int) -> TokenizedTexts:
    """Texts of random tokens, all of one bucket."""
    random = np.random.default_rng(0)
    ids = [[2, *map(int, random.integers(5, 200, 5)), 3] for _ in range(count)]
    return TokenizedTexts.of(ids, [[0] * len(text) for text in ids], pad_id=0)


def make_weights(folder: Path, head: str = "mean") -> EncoderWeights:
    """A tiny encoder of two layers with four heads and 64 neurons each."""
    return encoder_weights(models.checkpoint(folder / head, "bert", head))


def test_sorted_units_change_no_output(tmp_path: Path) -> None:
    """Heads and neurons in another order are the same model."""
    weights = make_weights(tmp_path)
    random = np.random.default_rng(1)
    order = UnitOrder(
        heads=((2, 0, 3, 1), (3, 2, 1, 0)),
        neurons=tuple(tuple(random.permutation(64).tolist()) for _ in range(2)),
    )
    ordered = sort_units(weights, order)
    sentences = list_sentences(make_texts(4), weights.input_names)
    np.testing.assert_allclose(
        run_encoder(ordered, sentences), run_encoder(weights, sentences), atol=1e-5
    )
    assert not np.array_equal(ordered.layers[0].query.kernel, weights.layers[0].query.kernel)


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_a_cut_gives_what_its_gates_gave(family: str, tmp_path: Path) -> None:
    """Every sub-network by one graph, without and with a layer less."""
    weights = encoder_weights(models.checkpoint(tmp_path / family, family, "mean"))
    texts = make_texts(6)
    gated = GatedPass(build_student(weights), weights.input_names)
    sentences = list_sentences(texts, weights.input_names)
    for structure in (
        Structure(layers=(0, 1), ffn=(16, 24), heads=(1, 3), vocabulary=200),
        Structure(layers=(1,), ffn=(8,), heads=(2,), vocabulary=200),
        Structure(layers=(0,), ffn=(64,), heads=(4,), vocabulary=200),
    ):
        expected = run_encoder(cut_subnetwork(weights, structure), sentences)
        np.testing.assert_allclose(gated.run(texts, structure), expected, atol=1e-5)


def test_a_step_draws_an_end_and_what_its_batch_says() -> None:
    """The same for the same batch, and other ones for others; one end, or both."""
    ends = [GRID.pick_structure(1, 1, 1, 200), GRID.pick_structure(0, 0, 0, 200)]
    plans = [BatchPlan(np.array([row, row + 1]), 8) for row in (1, 1, *range(3, 12))]
    first, again, *others = (
        draw_structures(GRID, 200, 3, 0, plan, both_ends=False) for plan in plans
    )
    assert first == again
    assert any(first != other for other in others)
    assert {len(drawn) for drawn in (first, *others)} == {4}
    assert {drawn[0] for drawn in (first, *others)} == set(ends)
    assert draw_structures(GRID, 200, 1, 0, plans[0], both_ends=True)[:2] == ends


def test_cuts_that_cannot_be_are_refused(tmp_path: Path) -> None:
    """More than there is, and exits."""
    weights = make_weights(tmp_path)
    structure = Structure(layers=(0, 1), ffn=(65, 64), heads=(4, 4), vocabulary=200)
    with pytest.raises(InputError, match="neurons cannot be kept"):
        cut_subnetwork(weights, structure)
    with pytest.raises(InputError, match="cannot be kept"):
        cut_subnetwork(weights, Structure(layers=(2,), ffn=(1,), heads=(1,), vocabulary=200))
    exits = (ExitWeights(1, weights.head, weights.head_layers),)
    with pytest.raises(InputError, match="exits"):
        cut_subnetwork(dataclasses.replace(weights, exits=exits), structure)
