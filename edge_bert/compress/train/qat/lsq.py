"""Learned step sizes (LSQ, Esser et al. 2020, arXiv:1902.08153), and activations as they run.

The gradient goes straight through every rounding, and is 0 where a weight is clipped. A scale is
learned by its logarithm: it stays above 0, and a step of the optimizer changes it by a share of
itself, whatever its size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from edge_bert.compress.train.qat.scales import LEAST_SCALE, split_shape
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.weight_grid import WeightGrid

INT8_LOW, INT8_HIGH = -128, 127


def fake_quantize(kernel: Any, log_scale: Any, grid: WeightGrid) -> Any:
    """A kernel [inputs, outputs] at the nearest points of its grid.

    `log_scale` has the logarithms of the scales, of `scale_shape`. Their gradient is divided by the
    root of the weights that share a scale times the last step, as in the paper.
    """
    shape = tuple(kernel.shape)
    blocks = ops.reshape(kernel, split_shape(shape, grid))
    sharing = blocks.shape[-2]
    scale = ops.exp(damp_gradient(log_scale, 1.0 / math.sqrt(sharing * grid.high)))
    if grid.half_scales:
        halves = ops.cast(ops.cast(ops.maximum(scale, LEAST_SCALE), "bfloat16"), "float32")
        scale = pass_through(scale, halves)
    return ops.reshape(_round_blocks(blocks, scale, grid), shape)


def round_rows(rows: Any) -> Any:
    """Rows [n, channels] at the int8 steps that the runtime gives each when it runs.

    From the least to the largest value of a row, and 0, in 255 steps, with a zero point: as
    XNNPACK's conversion to qd8 does, which hybrid FULLY_CONNECTED reads.
    """
    fixed = ops.stop_gradient(rows)
    low = ops.minimum(ops.min(fixed, axis=-1, keepdims=True), 0.0)
    high = ops.maximum(ops.max(fixed, axis=-1, keepdims=True), 0.0)
    per_unit = (INT8_HIGH - INT8_LOW) / ops.maximum(high - low, 1e-30)
    from_low, from_high = INT8_LOW + low * per_unit, INT8_HIGH + high * per_unit
    zero = ops.where(
        from_low + from_high > 0, INT8_LOW - low * per_unit, INT8_HIGH - high * per_unit
    )
    zero = ops.round(ops.clip(zero, INT8_LOW, INT8_HIGH))
    codes = ops.clip(ops.round(fixed * per_unit) + zero, INT8_LOW, INT8_HIGH)
    return pass_through(rows, (codes - zero) / per_unit)


def pass_through(values: Any, rounded: Any) -> Any:
    """`rounded`, with the gradient of `values` (Bengio et al. 2013, arXiv:1308.3432)."""
    return values + ops.stop_gradient(rounded - values)


def damp_gradient(values: Any, factor: float | FloatArray) -> Any:
    """`values`, with their gradient times `factor`."""
    return values * factor + ops.stop_gradient(values * (1.0 - factor))


def _round_blocks(blocks: Any, scale: Any, grid: WeightGrid) -> Any:
    """Weights at the nearest points of their grid; each scale is for a column, along axis -2.

    The gradients are written out: a backend that derives them passes over all weights twice as
    often, and there are more of these than values in a step.
    """

    def compute(blocks: Any, scale: Any) -> tuple[Any, Callable[..., Any]]:
        counts = blocks / scale
        cut = ops.clip(counts, grid.low, grid.high)
        steps = _round_steps(cut, grid)

        def gradient(*given: Any, upstream: Any = None) -> tuple[Any, Any]:
            upstream = given[0] if upstream is None else upstream
            passed = ops.where(ops.equal(counts, cut), upstream, 0.0)
            changes = upstream * steps - passed * counts
            return passed, ops.sum(changes, axis=-2, keepdims=True)

        return steps * scale, gradient

    return ops.custom_gradient(compute)(blocks, scale)


def _round_steps(steps: Any, grid: WeightGrid) -> Any:
    if grid.has_zero:
        return ops.round(steps)
    return ops.where(steps >= 0, float(grid.high), float(grid.low))
