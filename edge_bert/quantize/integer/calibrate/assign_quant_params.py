"""From ranges to quantization parameters: a scale and a zero point for every tensor.

The rules are those of the TFLite quantization specification: int8 activations with one scale,
weights symmetric per output channel, biases int32 at the product of the scales before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, OperatorNode, TensorKind
from edge_bert.quantize.integer.ir.quant_params import QuantParams, float32_params
from edge_bert.quantize.integer.ir.tensor_role import SCORE_ROLES, TensorRole
from edge_bert.quantize.integer.lower.insert_casts import FLOAT, MOVES
from edge_bert.quantize.integer.statistics.activation_ranges import ActivationRanges
from edge_bert.quantize.integer.statistics.histogram import Histogram
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator, estimate_range
from edge_bert.quantize.recover_grid import recover_grid
from edge_bert.quantize.uniform import (
    INT8_MAX,
    INT16_MAX,
    INT32_MAX,
    MIN_RANGE,
    asymmetric_params,
    round_to_step,
    symmetric_scale,
)

Array = npt.NDArray[Any]
Range = tuple[float, float]
# Operators whose output keeps the scale of their first input.
KEEPS_SCALE = MOVES
# Scale and zero point of the kernels.
FIXED = {"SOFTMAX": (1 / 256, -128), "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
INT32 = QuantParams(np.zeros(0), 0, "int32")
MAX_MULTIPLIER = 250.0
HEADROOM = 1.05  # above the largest variance observed


def assign_quant_params(
    graph: OperatorGraph,
    ranges: ActivationRanges,
    estimator: RangeEstimator,
    constants: Mapping[str, QuantParams] | None = None,
) -> dict[str, QuantParams]:
    """Quantization parameters (and quantized constants) for every tensor of `graph`.

    `constants` are those of a graph of another length, by name; they are taken as they are.
    """
    constants = constants or {}
    params = {
        name: constants.get(name) or _quantize_constant(tensor)
        for name, tensor in graph.tensors.items()
        if tensor.value is not None and tensor.kind is not TensorKind.BIAS
    }
    for name in graph.inputs:
        params[name] = INT32
    for node in graph.nodes:
        params[node.output] = _activation_params(graph, node, ranges, estimator, params)
    # Last, because a bias may depend on the scale of a sum that its node's output enters.
    for node in graph.nodes:
        if node.operator == "FULLY_CONNECTED":
            rows, kernel, bias = node.inputs
            shift = _round_down_shift(graph.tensors[node.output], params)
            params[bias] = _quantize_bias(graph.tensors[bias], params[rows], params[kernel], shift)
    return params


def _round_down_shift(tensor: GraphTensor, params: Mapping[str, QuantParams]) -> float:
    """What turns rounding to nearest into rounding down: minus half a step for each rounding.

    A tensor is rounded at its own scale, and once more at that of the sum which it enters.
    """
    if tensor.rounds_down_for is None:
        return 0.0
    steps = params[tensor.name].scale[0] + params[tensor.rounds_down_for].scale[0]
    return -0.5 * float(steps)


def _activation_params(
    graph: OperatorGraph,
    node: OperatorNode,
    ranges: ActivationRanges,
    estimator: RangeEstimator,
    params: Mapping[str, QuantParams],
) -> QuantParams:
    tensor = graph.tensors[node.output]
    if tensor.kind is TensorKind.IDS:
        return INT32
    if node.operator in KEEPS_SCALE:
        source = params[node.inputs[0]]
        return QuantParams(source.scale, source.zero_point, source.dtype)
    if tensor.bits == FLOAT:
        return float32_params()
    if tensor.bits == 16:
        return _int16_params(*choose_range(tensor, ranges, RangeEstimator.MINMAX))
    if node.operator in FIXED:
        return _int8_params(*FIXED[node.operator])
    low, high = choose_range(tensor, ranges, estimator)
    if node.operator == "FULLY_CONNECTED":
        low, high = _widen_for_kernel(low, high, *(params[name] for name in node.inputs[:2]))
    if tensor.symmetric:
        return _int8_params(symmetric_scale(low, high), 0)
    return _int8_params(*asymmetric_params(low, high))


def _int8_params(scale: float, zero_point: int) -> QuantParams:
    return QuantParams(np.array([scale], np.float32), zero_point, "int8")


def _widen_for_kernel(low: float, high: float, rows: QuantParams, kernel: QuantParams) -> Range:
    """A range wide enough for XNNPACK, whose requantization multiplier is below 256.

    The multiplier is scale(rows) * scale(kernel) / scale(output), the output's scale the width of
    its range over 255; so that width >= 255 * scale(rows) * scale(kernel) / MAX_MULTIPLIER.
    """
    least_width = 255 * float(rows.scale[0]) * float(kernel.scale.max()) / MAX_MULTIPLIER
    return low, high + max(least_width - (high - low), 0.0)


def _int16_params(low: float, high: float, value: Array | None = None) -> QuantParams:
    """16 bits, which are always symmetric in TFLite."""
    scale = symmetric_scale(low, high, INT16_MAX)
    steps = None
    if value is not None:
        steps = round_to_step(value, scale, -INT16_MAX, INT16_MAX).astype(np.int16)
    return QuantParams(np.array([scale], np.float32), 0, "int16", steps)


def choose_range(tensor: GraphTensor, ranges: ActivationRanges, estimator: RangeEstimator) -> Range:
    """The range of an activation: a known one, a learned one, or what the sentences say."""
    if tensor.limits is not None:
        return tensor.limits
    if tensor.range_name in ranges.learned:
        return ranges.learned[tensor.range_name]
    if tensor.role in SCORE_ROLES:
        return ranges.score_range(tensor.layer)
    histogram = ranges.histograms[tensor.range_name]
    if tensor.role is TensorRole.NORM_VARIANCE:
        return _variance_range(tensor, histogram)
    estimator = RangeEstimator.MINMAX if tensor.keep_full_range else estimator
    low, high = estimate_range(histogram, estimator)
    if tensor.clip is None:
        return low, high
    return max(low, tensor.clip[0]), min(high, tensor.clip[1])


def _variance_range(tensor: GraphTensor, histogram: Histogram) -> Range:
    """From 0 to beyond the largest variance: every token needs its own, however rare.

    What enters a sum may fall below 0 by rounding down, so that it gets four steps there; what
    RSQRT reads may not.
    """
    high = histogram.high
    if tensor.clip is not None:
        high = min(HEADROOM * high, tensor.clip[1])
    enters_sum = tensor.rounds_down_for not in (None, tensor.name)
    return (-4 * high / 255, high) if enters_sum else (0.0, high)


def _quantize_constant(tensor: GraphTensor) -> QuantParams:
    value = _constant_value(tensor)
    if tensor.kind in (TensorKind.INDEX, TensorKind.IDS):
        return QuantParams(np.zeros(0), 0, "int32", value.astype(np.int32))
    if tensor.bits == FLOAT:
        return float32_params(value)
    if tensor.kind is TensorKind.MATRIX:
        return _quantize_matrix(value)
    if tensor.limits is not None and tensor.limits[0] != -tensor.limits[1]:
        # A mask: both ends of its range must be exact.
        scale, zero_point = asymmetric_params(*tensor.limits)
        steps = round_to_step(value, scale, -INT8_MAX - 1 - zero_point, INT8_MAX - zero_point)
        quantized = (steps + zero_point).astype(np.int8)
        return QuantParams(np.array([scale], np.float32), zero_point, "int8", quantized)
    if tensor.bits == 16:
        return _int16_params(float(value.min()), float(value.max()), value)
    peak = float(np.abs(value).max()) if tensor.limits is None else tensor.limits[1]
    scale = symmetric_scale(-peak, peak)
    return QuantParams(np.array([scale], np.float32), 0, "int8", _int8_steps(value, scale))


def _quantize_matrix(value: Array) -> QuantParams:
    """A scale per output channel; a matrix [outputs, inputs] on such a grid keeps its integers.

    A row of zeros gets a scale that XNNPACK takes: the largest of all rows. Two bits, such as the
    equal weights of a mean, are exact at 127 steps too, which rounds the bias more finely.
    """
    grid = recover_grid(value)
    kept = None if grid is None else grid.regroup(value.shape[1], -INT8_MAX, INT8_MAX)
    if grid is not None and kept is not None and grid.bits > 2:
        scales = kept[1][:, 0]
        scales = np.maximum(np.where(scales > 0, scales, scales.max()), MIN_RANGE / INT8_MAX)
        return QuantParams(scales.astype(np.float32), 0, "int8", kept[0])
    peaks = np.abs(value).max(axis=1)
    scales = np.maximum(np.where(peaks > 0, peaks, peaks.max()), MIN_RANGE) / INT8_MAX
    steps = _int8_steps(value, scales[:, None])
    return QuantParams(scales.astype(np.float32), 0, "int8", steps)


def _constant_value(tensor: GraphTensor) -> Array:
    if tensor.value is None:
        raise ValueError(f"{tensor.name} is not a constant")
    return tensor.value


def _int8_steps(value: Array, scale: Array | float) -> Array:
    return round_to_step(value, scale, -INT8_MAX, INT8_MAX).astype(np.int8)


def _quantize_bias(
    tensor: GraphTensor, rows: QuantParams, kernel: QuantParams, shift: float
) -> QuantParams:
    """The bias at the accumulator's scale: that of the rows times that of the matrix."""
    scale = rows.scale.astype(np.float64) * kernel.scale.astype(np.float64)
    dtype, most = ("int64", np.inf) if tensor.bits == 16 else ("int32", INT32_MAX)
    steps = round_to_step(_constant_value(tensor) + shift, scale, -most, most)
    return QuantParams(scale.astype(np.float32), 0, dtype, steps.astype(dtype))
