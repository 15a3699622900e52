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
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.statistics.activation_ranges import ActivationRanges
from edge_bert.quantize.integer.statistics.range_estimators import (
    RangeEstimator,
    estimate_range,
    minmax_range,
)
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
# Operators whose output keeps the scale of their first input.
KEEPS_SCALE = ("RESHAPE", "TRANSPOSE", "SLICE", "GATHER")
FIXED = {"SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}
MAX_MULTIPLIER = 250.0


def assign_quant_params(
    graph: OperatorGraph,
    ranges: ActivationRanges,
    observer: RangeEstimator,
    known: Mapping[str, QuantParams] | None = None,
) -> dict[str, QuantParams]:
    """Quantization parameters (and quantized constants) for every tensor of `graph`.

    Constants that are `known` by name, from a graph of another length, are taken as they are.
    """
    known = known or {}
    found = {
        name: known.get(name) or _constant(tensor)
        for name, tensor in graph.tensors.items()
        if tensor.value is not None and tensor.kind is not TensorKind.BIAS
    }
    for name in graph.inputs:
        found[name] = QuantParams(np.zeros(0), 0, "int32")
    for node in graph.nodes:
        found[node.output] = _activation(graph, node, ranges, observer, found)
    for node in graph.nodes:
        if node.operator == "FULLY_CONNECTED":
            rows, kernel, bias = node.inputs
            shift = _round_down(graph.tensors[node.output], found)
            found[bias] = _bias(graph.tensors[bias], found[rows], found[kernel], shift)
    return found


def _round_down(tensor: GraphTensor, found: dict[str, QuantParams]) -> float:
    """What takes a tensor and the sum that it enters from rounding to nearest to rounding down."""
    if tensor.rounds_down_for is None:
        return 0.0
    steps = found[tensor.name].scale[0] + found[tensor.rounds_down_for].scale[0]
    return -0.5 * float(steps)


def _activation(
    graph: OperatorGraph,
    node: OperatorNode,
    ranges: ActivationRanges,
    observer: RangeEstimator,
    found: dict[str, QuantParams],
) -> QuantParams:
    tensor = graph.tensors[node.output]
    if node.operator in KEEPS_SCALE:
        source = found[node.inputs[0]]
        return QuantParams(source.scale, source.zero_point, source.dtype)
    if tensor.bits == FLOAT:
        return float32_params()
    if tensor.bits == 16:
        return _sixteen(*_range(tensor, ranges, RangeEstimator.MINMAX))
    if node.operator in FIXED:
        scale, zero_point = FIXED[node.operator]
        return QuantParams(np.array([scale], np.float32), zero_point, "int8")
    low, high = _range(tensor, ranges, observer)
    if node.operator == "FULLY_CONNECTED":
        low, high = _within_kernels(low, high, *(found[name] for name in node.inputs[:2]))
    if tensor.symmetric:
        scale = symmetric_scale(low, high)
        return QuantParams(np.array([scale], np.float32), 0, "int8")
    scale, zero_point = asymmetric_params(low, high)
    return QuantParams(np.array([scale], np.float32), zero_point, "int8")


def _within_kernels(
    low: float, high: float, rows: QuantParams, kernel: QuantParams
) -> tuple[float, float]:
    """A range wide enough for XNNPACK, which multiplies sums by less than 256 output steps."""
    least = 255 * float(rows.scale[0]) * float(kernel.scale.max()) / MAX_MULTIPLIER
    missing = max(least - (high - low), 0.0)
    return low, high + missing


def _sixteen(low: float, high: float, value: Array | None = None) -> QuantParams:
    """16 bits are always symmetric in TFLite."""
    scale = symmetric_scale(low, high, INT16_MAX)
    steps = None
    if value is not None:
        steps = round_to_step(value, scale, -INT16_MAX, INT16_MAX).astype(np.int16)
    return QuantParams(np.array([scale], np.float32), 0, "int16", steps)


def _range(
    tensor: GraphTensor, ranges: ActivationRanges, observer: RangeEstimator
) -> tuple[float, float]:
    if tensor.limits is not None:
        return tensor.limits
    if tensor.role in SCORE_ROLES:
        return ranges.score_range(tensor.layer)
    histogram = ranges.histograms[tensor.range_name]
    if tensor.role is TensorRole.NORM_VARIANCE:  # every token needs its variance, however rare
        _, high = minmax_range(histogram)
        high = min(1.05 * high, tensor.clip[1]) if tensor.clip else high
        # What enters a sum may fall below 0 by rounding down; what RSQRT reads may not.
        enters_sum = tensor.rounds_down_for not in (None, tensor.name)
        return (-4 * high / 255, high) if enters_sum else (0.0, high)
    observer = RangeEstimator.MINMAX if tensor.keep_full_range else observer
    low, high = estimate_range(histogram, observer)
    if tensor.clip is None:
        return low, high
    return max(low, tensor.clip[0]), min(high, tensor.clip[1])


def _constant(tensor: GraphTensor) -> QuantParams:
    value = tensor.value
    assert value is not None  # noqa: S101 (the caller has looked)
    if tensor.kind is TensorKind.INDEX:
        return QuantParams(np.zeros(0), 0, "int32", value.astype(np.int32))
    if tensor.bits == FLOAT:
        return float32_params(value)
    if tensor.kind is TensorKind.MATRIX:
        peaks = np.abs(value).max(axis=1)
        # A row of zeros gets a scale that XNNPACK takes: any other row's.
        scale = np.maximum(np.where(peaks > 0, peaks, peaks.max()), MIN_RANGE) / INT8_MAX
        return QuantParams(scale.astype(np.float32), 0, "int8", _int8_steps(value, scale[:, None]))
    if tensor.limits is not None and tensor.limits[0] != -tensor.limits[1]:
        # A mask: both ends of its range must be exact.
        size, zero_point = asymmetric_params(*tensor.limits)
        steps = round_to_step(value, size, -INT8_MAX - 1 - zero_point, INT8_MAX - zero_point)
        quantized = (steps + zero_point).astype(np.int8)
        return QuantParams(np.array([size], np.float32), zero_point, "int8", quantized)
    if tensor.bits == 16:
        return _sixteen(float(value.min()), float(value.max()), value)
    peak = float(np.abs(value).max()) if tensor.limits is None else tensor.limits[1]
    size = symmetric_scale(-peak, peak)
    return QuantParams(np.array([size], np.float32), 0, "int8", _int8_steps(value, size))


def _int8_steps(value: Array, scale: Array | float) -> Array:
    return round_to_step(value, scale, -INT8_MAX, INT8_MAX).astype(np.int8)


def _bias(tensor: GraphTensor, rows: QuantParams, kernel: QuantParams, shift: float) -> QuantParams:
    value = tensor.value
    assert value is not None  # noqa: S101 (biases are constants)
    scale = rows.scale.astype(np.float64) * kernel.scale.astype(np.float64)
    dtype, most = ("int64", np.inf) if tensor.bits == 16 else ("int32", INT32_MAX)
    steps = round_to_step(value + shift, scale, -most, most)
    return QuantParams(scale.astype(np.float32), 0, dtype, steps.astype(dtype))
