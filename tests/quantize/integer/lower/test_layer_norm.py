"""LayerNorm out of operators that survive integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedNorm
from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, TensorKind
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.ir.serialize import serialize_graphs
from edge_bert.quantize.integer.lower.graph_scope import GraphScope
from edge_bert.quantize.integer.lower.layer_norm import (
    GROUP_RATIO,
    channel_groups,
    layer_norm,
    variance_ranges,
)
from edge_bert.quantize.integer.statistics.activation_ranges import collect_ranges
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator
from edge_bert.quantize.integer.statistics.split_layout import SplitLayout
from tests.quantize.integer.running import Running, cosine

TOKENS, CHANNELS, EPSILON = 64, 48, 1e-6
IDS = {"input_ids": np.arange(TOKENS, dtype=np.int32)[None]}
Array = npt.NDArray[np.float32]


def rows_of(spread: float, loud: int = 0, seed: int = 0) -> Array:
    """Tokens [TOKENS, CHANNELS] without a mean, the largest `spread` times the smallest.

    `loud` channels are 50 times larger than the others in every token, as in trained models.
    """
    rows = np.random.RandomState(seed).standard_normal((TOKENS, CHANNELS)) + 0.2
    rows[:, :loud] *= 50
    rows -= rows.mean(axis=1, keepdims=True)
    return (rows * np.geomspace(1, spread, TOKENS)[:, None]).astype(np.float32)


def channel_scale_of(loud: int) -> Array:
    """What brings the loud channels of `rows_of` down to the others."""
    return np.where(np.arange(CHANNELS) < loud, 1 / 50, 1.0).astype(np.float32)


def normalised(rows: Array) -> Array:
    """LayerNorm by the book, without gamma and beta."""
    rows = rows.astype(np.float64)
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(rows.var(axis=1, keepdims=True) + EPSILON))


def graph_of(rows: Array, channel_scale: Array) -> OperatorGraph:
    """The normalised rows of a table, looked up by TOKENS ids."""
    graph = OperatorGraph(TOKENS)
    graph.input("input_ids")
    table = graph.constant("table", rows * channel_scale)
    found = graph.apply("GATHER", [table, "input_ids"], GraphTensor("rows", (1, *rows.shape)))
    shape = graph.constant("shape", np.array(rows.shape, np.int32), TensorKind.INDEX)
    flat = graph.apply("RESHAPE", [found, shape], GraphTensor("flat", rows.shape))
    one = np.ones(CHANNELS, np.float32)
    variances = rows.var(axis=1)
    norm = EqualizedNorm(SplitLayout(CHANNELS), channel_scale, variances, one, one)
    graph.output = layer_norm(GraphScope(graph, "norm"), [flat], norm, EPSILON)
    return graph


@settings(max_examples=60)
@given(
    st.lists(st.floats(2.0**-12, 2.0, width=32), min_size=CHANNELS, max_size=CHANNELS),
    st.floats(1, 1000),
)
def test_it_is_layer_norm(channel_scale: list[float], spread: float) -> None:
    """In float it gives the channel scale times the normalised rows, whatever that scale is."""
    rows, factors = rows_of(spread), np.array(channel_scale, np.float32)
    found = interpret_graph(graph_of(rows, factors), IDS)
    np.testing.assert_allclose(found, factors * normalised(rows), rtol=1e-3, atol=1e-4)


@given(st.lists(st.floats(2.0**-12, 2.0**4, width=32), min_size=3, max_size=60))
def test_every_channel_is_in_one_group(channel_scale: list[float]) -> None:
    """Groups share the channels out; quieter ones than typical stay with the first."""
    factors = np.array(channel_scale, np.float32)
    groups = channel_groups(factors)
    np.testing.assert_array_equal(np.sum(groups, axis=0), 1)
    for group in groups[1:]:
        inside = factors[group > 0]
        assert inside.max() <= inside.min() * GROUP_RATIO * 1.001


@given(st.lists(st.floats(2.0**-20, 2.0**20, width=32), min_size=1, max_size=60))
def test_ranges_hold_every_variance(variances: list[float]) -> None:
    """Upper ends grow, and the last one is above all that was seen."""
    found = variance_ranges(np.array(variances, np.float32))
    assert found == sorted(found)
    assert found[-1] > max(variances)
    assert 1 <= len(found) <= 3


def in_integers(rows: Array, channel_scale: Array) -> tuple[Array, Array]:
    """Each token: cosine and length of the runtime's row to LayerNorm of the same 8-bit row."""
    graph = graph_of(rows, channel_scale)
    quantized = assign_quant_params(
        graph, collect_ranges([IDS], lambda _: graph), RangeEstimator.MINMAX
    )
    table = quantized["table"]
    assert table.value is not None
    wanted = normalised(table.value * table.scale / channel_scale) * channel_scale
    found = Running(serialize_graphs([(f"length_{TOKENS}", graph, quantized)], "rows")).real(
        TOKENS, IDS
    )
    found = found.reshape(rows.shape)
    cosines = np.array([cosine(*pair) for pair in zip(found, wanted, strict=True)])
    return cosines, np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)


@pytest.mark.parametrize(("spread", "several"), [(1.5, 1), (4.0, 1), (12.0, 2)])
def test_it_survives_integers(spread: float, several: int) -> None:
    """On the runtime, in 8 bits, small tokens and large ones keep direction and length.

    Measured: cosine from 0.997, lengths between 0.96 and 1.13 of what they should be.
    """
    rows = rows_of(spread)
    assert len(variance_ranges(rows.var(axis=1))) == several
    cosines, lengths = in_integers(rows, channel_scale_of(0))
    assert cosines.min() > 0.99
    assert np.abs(lengths - 1).max() < 0.15


@pytest.mark.parametrize("spread", [1.5, 4.0])
def test_loud_channels_survive_integers(spread: float) -> None:
    """With four channels 50 times louder most tokens do (measured: 60 and 56 of 64)."""
    cosines, lengths = in_integers(rows_of(spread, loud=4), channel_scale_of(4))
    assert cosines.min() > 0.98
    assert np.mean(np.abs(lengths - 1) < 0.15) >= 0.85


def test_tokens_of_very_different_size() -> None:
    """Variances over three decades: the file runs at all, and most tokens are right."""
    cosines, lengths = in_integers(rows_of(30.0), channel_scale_of(0))
    assert np.median(cosines) > 0.98
    assert np.median(np.abs(lengths - 1)) < 0.15


def test_operands_of_the_minimum_share_their_range() -> None:
    """The kernel compares steps, so that equal numbers must be equal steps."""
    graph = graph_of(rows_of(12.0), channel_scale_of(0))
    for node in graph.nodes:
        if node.operator == "MINIMUM":
            limits = {graph.tensors[name].limits for name in (*node.inputs, node.output)}
            assert len(limits) == 1
            assert None not in limits


def test_a_table_of_zeros() -> None:
    """Rows without any variance give zeros, not NaN."""
    rows = np.zeros((TOKENS, CHANNELS), np.float32)
    assert not interpret_graph(graph_of(rows, channel_scale_of(0)), IDS).any()
