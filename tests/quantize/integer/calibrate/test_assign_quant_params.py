"""Quantization parameters, by the rules of the TFLite quantization specification."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from edge_bert.quantize.integer.calibrate.assign_quant_params import (
    KEEPS_SCALE,
    assign_quant_params,
)
from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.statistics.activation_ranges import ActivationRanges, collect_ranges
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator
from tests.quantize.grids import random_codes, random_scales
from tests.quantize.integer import encoders as tiny

MASKS = (30.0, 30.0)


@functools.cache
def of_encoder(
    estimator: RangeEstimator,
) -> tuple[OperatorGraph, ActivationRanges, dict[str, QuantParams]]:
    """The graph of tiny BERT with outliers, its ranges and its parameters."""
    from edge_bert.quantize.integer.lower.build_graph import build_graph

    weights = tiny.weights_of("bert", outliers=True)
    parts = tiny.parts_of(weights)
    ranges = collect_ranges(
        tiny.sentences(weights), lambda n: build_graph(weights, parts, MASKS, n)
    )
    graph = build_graph(weights, parts, MASKS, 32)
    return graph, ranges, assign_quant_params(graph, ranges, estimator)


def matrix(value: np.ndarray) -> QuantParams:
    """How a constant matrix [out, in] is stored."""
    graph = OperatorGraph(1)
    graph.constant("kernel", value, TensorKind.MATRIX)
    return assign_quant_params(graph, ActivationRanges(), RangeEstimator.MINMAX)["kernel"]


@pytest.mark.parametrize("estimator", list(RangeEstimator), ids=lambda each: each.value)
def test_every_tensor_is_quantized(estimator: RangeEstimator) -> None:
    """Parameters for all; scales finite and above 0, zero points within 8 bits."""
    graph, _, found = of_encoder(estimator)
    assert found.keys() == graph.tensors.keys()
    for name, each in found.items():
        assert np.isfinite(each.scale).all(), name
        assert (each.scale > 0).all(), name
        assert -128 <= each.zero_point <= 127, name
        assert each.dtype in ("int8", "int32"), name


def test_matrices_have_a_scale_per_output_channel() -> None:
    """Symmetric from -127 to 127, each row at its own scale, to within half a step."""
    value = np.random.RandomState(0).standard_normal((8, 20)) * np.geomspace(1e-4, 1e3, 8)[:, None]
    found = matrix(value.astype(np.float32))
    assert found.scale.shape == (8,)
    assert found.zero_point == 0
    assert found.value is not None
    np.testing.assert_array_equal(np.abs(found.value).max(axis=1), 127)
    back = found.value * found.scale[:, None]
    assert (np.abs(back - value) <= 0.501 * found.scale[:, None]).all()


def test_a_row_of_zeros_has_a_scale() -> None:
    """An all-zero output channel is stored as zeros and divides by nothing."""
    value = np.ones((3, 4), np.float32)
    value[1] = 0
    found = matrix(value)
    assert found.value is not None
    assert (found.scale > 0).all()
    assert not found.value[1].any()


def test_biases_have_the_scale_of_the_sum_they_enter() -> None:
    """int32 at input times weights, so that an accumulator can start from them."""
    graph, _, found = of_encoder(RangeEstimator.PERCENTILE)
    for node in graph.nodes:
        if node.operator == "FULLY_CONNECTED":
            rows, kernel, bias = (found[name] for name in node.inputs)
            np.testing.assert_allclose(bias.scale, rows.scale * kernel.scale, rtol=1e-6)
            assert bias.dtype == "int32"
            assert bias.value is not None
            if graph.tensors[node.output].rounds_down_for is None:
                error = bias.value * bias.scale - graph.tensors[node.inputs[2]].value
                assert (np.abs(error) <= 0.51 * bias.scale + 1e-6).all(), node


def test_moving_values_does_not_change_them() -> None:
    """RESHAPE, TRANSPOSE, SLICE and GATHER copy steps, so that scales must be equal."""
    graph, _, found = of_encoder(RangeEstimator.PERCENTILE)
    moves = [node for node in graph.nodes if node.operator in KEEPS_SCALE]
    assert len(moves) > 10
    for node in moves:
        before, after = found[node.inputs[0]], found[node.output]
        assert (before.scale, before.zero_point) == (after.scale, after.zero_point)


def test_symmetric_means_no_zero_point() -> None:
    """Where the graph asks for it, and only by widening the range."""
    graph, ranges, found = of_encoder(RangeEstimator.MINMAX)
    asked = [name for name, tensor in graph.tensors.items() if tensor.symmetric]
    assert len(asked) == 5
    for name in asked:
        seen = ranges.histograms[name]
        assert found[name].zero_point == 0
        assert found[name].scale[0] * 127 == pytest.approx(max(-seen.low, seen.high), rel=1e-5)


def test_minmax_covers_what_was_seen() -> None:
    """No activation without known limits saturates on the calibration set itself."""
    graph, ranges, found = of_encoder(RangeEstimator.MINMAX)
    for node in graph.nodes:
        tensor, each = graph.tensors[node.output], found[node.output]
        if tensor.limits or tensor.clip or node.operator in (*KEEPS_SCALE, "SOFTMAX", "TANH"):
            continue
        if node.output.endswith((".scores", ".masked")) or each.zero_point == 0:
            continue
        seen = ranges.histograms[node.output]
        slack = each.scale[0] * 0.51
        assert (-128 - each.zero_point) * each.scale[0] <= seen.low + slack, node
        assert (127 - each.zero_point) * each.scale[0] >= seen.high - slack, node


def test_all_padding_together_is_below_half_a_step() -> None:
    """The floor of masked scores: 512 padded tokens there add less than 1/512 to any row.

    Also where every row's scores differ by little, so that the lowest score seen counts.
    """
    weights = tiny.changed(tiny.weights_of("bert"), "query.kernel", 0.1)
    from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder

    start = calibrate_encoder(weights, tiny.sentences(weights))
    graph = start.graph(64)
    found = assign_quant_params(graph, start.ranges, RangeEstimator.PERCENTILE)
    for layer in range(weights.config.layers):
        masked = found[f"layer.{layer}.masked"]
        floor = (-128 - masked.zero_point) * float(masked.scale[0])
        lowest_peak, _ = start.ranges.score_peaks[layer]
        assert 512 * np.exp(floor - lowest_peak) < 1 / 512


def test_a_matrix_on_a_grid_keeps_its_integers() -> None:
    """Also where no row reaches the last of them; a row of zeros has a scale that is none."""
    codes, scales = random_codes((24, 64), -90, 90), random_scales(24)
    codes[5] = 0
    stored = matrix((codes * scales[:, None]).astype(np.float32))
    assert stored.value is not None
    assert (stored.value == codes).all()
    np.testing.assert_allclose(np.delete(stored.scale, 5), np.delete(scales, 5), rtol=1.2e-7)
    assert stored.scale[5] == stored.scale.max()
