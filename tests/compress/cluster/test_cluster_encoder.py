"""Clustered matrices and encoders: few integers of the int8 grid, found again by its rule."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.compress.cluster.cluster_encoder import (
    WORD,
    cluster_encoder,
    count_integers,
    list_clustered,
)
from edge_bert.compress.cluster.cluster_matrix import (
    cluster_matrix,
    measure_bits,
    round_to_grid,
)
from edge_bert.progress import no_progress
from edge_bert.quantize.uniform import quantize_int8
from edge_bert.records.checkpoint import FloatArray
from tests.quantize.integer import encoders as tiny


def random_matrix() -> FloatArray:
    """Columns of very different sizes, one of them zeros."""
    random = np.random.default_rng(0)
    columns = random.normal(size=(64, 48)) * random.uniform(0.01, 3.0, 48)
    columns[:, 7] = 0.0
    return columns.astype(np.float32)


@pytest.mark.parametrize("most", [5, 32])
def test_a_clustered_matrix_keeps_its_integers_when_it_is_quantized(most: int) -> None:
    """The rule of hybrid files finds the very integers, because the ends of the grid are kept."""
    clustered = cluster_matrix(random_matrix(), most)
    integers, scales = quantize_int8(clustered.values, axis=1)
    np.testing.assert_array_equal(integers, clustered.integers)
    np.testing.assert_allclose(scales, clustered.scales, rtol=1e-6)
    assert len(np.unique(integers)) <= most
    assert {-127, 127} <= set(clustered.codebook)


def test_the_error_weighs_as_much_in_every_column() -> None:
    """In floats, not in steps: a column a hundred times as small does not shape the codebook."""
    random = np.random.default_rng(0)
    half = random.normal(size=(250, 1))
    wide = np.vstack([half, -half])  # with both ends of the grid
    narrow = np.where(random.random((500, 1)) < 0.5, 0.01, 0.004) * random.choice([-1, 1], (500, 1))
    alone = cluster_matrix(wide.astype(np.float32), 9)
    both = cluster_matrix(np.hstack([wide, narrow]).astype(np.float32), 9)
    np.testing.assert_allclose(both.codebook, alone.codebook, atol=2)


def test_the_rule_of_the_grid_is_that_of_hybrid_files() -> None:
    """Before clustering the integers are those that a file has."""
    integers, scales = round_to_grid(random_matrix())
    expected, expected_scales = quantize_int8(random_matrix(), axis=1)
    np.testing.assert_array_equal(integers, expected)
    np.testing.assert_array_equal(scales, expected_scales)


def test_a_price_on_bits_makes_a_matrix_smaller() -> None:
    """More centroids with a price take fewer bits than fewer without, at no greater error."""
    matrix = np.random.default_rng(0).normal(size=(400, 64)).astype(np.float32)
    plain, priced = cluster_matrix(matrix, 16), cluster_matrix(matrix, 48, 0.013)
    errors = [float(np.square(one.values - matrix).sum()) for one in (plain, priced)]
    assert priced.bits < plain.bits < measure_bits(matrix)
    assert errors[1] <= errors[0]


@pytest.mark.parametrize("architecture", ["bert", "albert"])
def test_an_encoder_has_few_integers_everywhere_but_in_its_head(architecture: str) -> None:
    """Every matrix of the layers and the word table; what is no matrix stays as it is."""
    weights = tiny.weights_of(architecture)
    clustered = cluster_encoder(weights, 6, 0.0, no_progress)
    before, after = weights.arrays, clustered.weights.arrays
    names = set(list_clustered(weights))
    assert {WORD, "layer.0.ffn_in.kernel"} <= names
    for name in names:
        assert len(np.unique(quantize_int8(after[name], axis=1)[0])) <= 6
    for name in before:
        if name.startswith("head.") or (name != WORD and not name.endswith("kernel")):
            np.testing.assert_array_equal(after[name], before[name])
    assert clustered.weights.tied_layers == weights.tied_layers
    assert count_integers(clustered.weights) <= 6 < count_integers(weights)
    assert 0 < clustered.error < 0.2
    assert clustered.bits < clustered.bits_before
