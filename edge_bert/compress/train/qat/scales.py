"""Scales of grids, in numpy: their shapes, starts by least squares, and integers.

A kernel [inputs, outputs] has its blocks along the inputs: [blocks, block, outputs]. A table whose
rows have scales is taken as the kernel that its transpose is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.weight_grid import Granularity, WeightGrid

# Shares of the largest magnitude that the last step may stand for, from which refining starts.
SHARES = np.linspace(0.3, 1.0, 9, dtype=np.float32)
REFINEMENTS = 3
OUTPUTS_AT_ONCE = 512
LEAST_SCALE = 2.0**-14  # the smallest normal float16: XNNPACK refuses a scale below it
Integers = npt.NDArray[np.int8]


def split_shape(shape: tuple[int, ...], grid: WeightGrid) -> tuple[int, ...]:
    """The shape of a kernel with its blocks apart; without blocks its own."""
    if grid.granularity is not Granularity.BLOCK:
        return shape
    return shape[0] // grid.block, grid.block, shape[1]


def scale_shape(shape: tuple[int, ...], grid: WeightGrid) -> tuple[int, ...]:
    """The shape of the scales of a kernel, which divide what has `split_shape`."""
    if grid.granularity is not Granularity.BLOCK:
        return 1, shape[1]
    return shape[0] // grid.block, 1, shape[1]


def fit_scales(kernel: FloatArray, grid: WeightGrid) -> FloatArray:
    """The scales with about the least squared error of the rounded kernel.

    Starts from shares of the largest magnitude and alternates between integers and the scale that
    is best for them. Weights that are all 0 get a scale of 1.
    """
    parts = [
        _fit_part(kernel[:, first : first + OUTPUTS_AT_ONCE], grid)
        for first in range(0, kernel.shape[1], OUTPUTS_AT_ONCE)
    ]
    return store_scales(np.concatenate(parts, axis=-1), grid)


def store_scales(scales: FloatArray, grid: WeightGrid) -> FloatArray:
    """The scales as the runtime has them: those of blocks in float16, and none too small.

    Of these it takes bfloat16 (XNNPACK's qb4w): eight bits, which float16 holds too.
    """
    if not grid.half_scales:
        return np.asarray(scales, np.float32)
    share, exponent = np.frexp(np.maximum(scales, np.float32(LEAST_SCALE)))
    return np.asarray(np.ldexp(np.rint(share * 256) / 256, exponent), np.float32)


def round_to_integers(kernel: FloatArray, scales: FloatArray, grid: WeightGrid) -> Integers:
    """The integers of a kernel, in its shape."""
    steps = _round(kernel.reshape(split_shape(kernel.shape, grid)), scales, grid)
    return steps.astype(np.int8).reshape(kernel.shape)


def reduce_integers(
    integers: Integers, scales: FloatArray, grid: WeightGrid
) -> tuple[Integers, FloatArray]:
    """The same weights with integers that have no common divisor.

    A build sees the weights alone, and could not tell 2, 4 and -6 from 1, 2 and -3.
    """
    blocks = integers.reshape(split_shape(integers.shape, grid))
    divisors = np.maximum(np.gcd.reduce(blocks, axis=blocks.ndim - 2, keepdims=True), 1)
    reduced = (blocks // divisors).astype(np.int8).reshape(integers.shape)
    return reduced, np.asarray(scales * divisors, np.float32)


def restore_values(integers: Integers, scales: FloatArray, grid: WeightGrid) -> FloatArray:
    """The weights that integers stand for: on the grid to the last bit."""
    blocks = integers.reshape(split_shape(integers.shape, grid)).astype(np.float32)
    return np.asarray(blocks * scales, np.float32).reshape(integers.shape)


def round_table(table: FloatArray, grid: WeightGrid) -> FloatArray:
    """A table [rows, width] on its grid, with scales by least squares."""
    by_column = grid.granularity is Granularity.COLUMN
    kernel = table if by_column else np.ascontiguousarray(table.T)
    scales = fit_scales(kernel, grid)
    rounded = restore_values(round_to_integers(kernel, scales, grid), scales, grid)
    return rounded if by_column else np.ascontiguousarray(rounded.T)


def _fit_part(kernel: FloatArray, grid: WeightGrid) -> FloatArray:
    blocks = kernel.reshape(split_shape(kernel.shape, grid))
    axis = blocks.ndim - 2
    peaks = np.abs(blocks).max(axis=axis, keepdims=True)
    peaks = np.where(peaks > 0, peaks, np.float32(grid.high))
    best, least = peaks / grid.high, np.full(peaks.shape, np.inf, np.float32)
    for share in SHARES:
        scales = peaks * (share / grid.high)
        for _ in range(REFINEMENTS):
            scales = _refit(blocks, scales, grid, axis)
        error = np.square(_round(blocks, scales, grid) * scales - blocks)
        total = error.sum(axis=axis, keepdims=True)
        best, least = np.where(total < least, scales, best), np.minimum(total, least)
    return np.asarray(best, np.float32)


def _refit(blocks: FloatArray, scales: FloatArray, grid: WeightGrid, axis: int) -> FloatArray:
    steps = _round(blocks, scales, grid)
    squares = np.square(steps).sum(axis=axis, keepdims=True)
    products = (steps * blocks).sum(axis=axis, keepdims=True)
    refitted = products / np.maximum(squares, np.float32(1e-9))
    return np.where(refitted > 0, refitted, scales)


def _round(blocks: FloatArray, scales: FloatArray, grid: WeightGrid) -> FloatArray:
    if not grid.has_zero:
        return np.where(blocks >= 0, np.float32(grid.high), np.float32(grid.low))
    return np.asarray(np.clip(np.rint(blocks / scales), grid.low, grid.high), np.float32)
