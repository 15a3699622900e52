"""Float matrices that already lie on a grid: whole numbers of a step, as QAT leaves them.

Rounding such a matrix again would move every weight off the integers that training settled on,
because a rounding rule takes its step from the largest weight, and training need not use the last
integer. A kept integer is within `TOLERANCE` of a step of its float, so that a matrix which lies on
a grid by chance loses nothing by being taken for one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-4  # of a step: float32 holds 127 steps to 2e-5 of one
LEAST, MOST = -128, 127  # of eight bits
BLOCKS = (128, 64, 32)  # neighbours in a row that may share a step, where the row itself does not
SAMPLE = 16  # groups that are looked at first
PROBES = 8  # values of a group that are looked at first
AT_ONCE = 1 << 20  # values: so many are searched together
CHANCE = 1e-12  # that random floats pass for a grid, at most

FloatArray = npt.NDArray[np.floating[Any]]
Codes = npt.NDArray[np.int16]
NARROW, WIDE = 8, 128  # the most steps in a group's largest value: of four bits, and of eight
ALL_STEPS = 255  # of eight bits, from the least to the largest
Kept = tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class GridMatrix:
    """A matrix as `codes` [rows, columns] times `scales` [rows, groups].

    The columns of a row are dealt out to its groups in order; one group is one scale for the row.
    A group of zeros has the scale 0. The codes of a group have no common divisor, unless all groups
    share one scale: a training that only ever used even integers has left no trace of the others.
    The one weight of a group that is not 0 is the last integer that other groups use.
    """

    codes: Codes
    scales: FloatArray

    @property
    def bits(self) -> int:
        """The least number of bits, from 2 to 8, that hold every code."""
        least, most = int(self.codes.min()), int(self.codes.max())
        return max(2, 1 + max(most, -least - 1).bit_length())

    @property
    def block(self) -> int:
        """The columns that share a scale."""
        return int(self.codes.shape[1] // self.scales.shape[1])

    @property
    def is_uniform(self) -> bool:
        """Whether all rows and columns share one scale."""
        live = self.scales[self.scales > 0]
        return bool((live == live[0]).all())

    def regroup(self, block: int, least: int, most: int) -> Kept | None:
        """Codes from `least` to `most` and scales [rows, columns / block] of the same matrix.

        None where a block would need several scales or codes beyond these. The code -128 becomes
        -127 where that is the least: TFLite's specification has no -128 in int8 weights, and
        kernels count on it.
        """
        rows, columns = self.codes.shape
        if self.block % block:
            return None
        codes = self.codes.reshape(rows, columns // block, block)
        scales = np.repeat(self.scales, self.block // block, axis=1)
        if codes.min() < (LEAST if least == -MOST else least) or codes.max() > most:
            divisors = np.maximum(np.gcd.reduce(codes, axis=2), 1)
            codes, scales = codes // divisors[..., None], scales * divisors
        if least == -MOST:
            codes = np.maximum(codes, least)
        if codes.min() < least or codes.max() > most:
            return None
        return codes.reshape(rows, columns).astype(np.int8), scales.astype(np.float32)


def recover_grid(matrix: FloatArray) -> GridMatrix | None:
    """The grid that `matrix` [rows, columns] lies on; None for floats of no grid of 8 bits.

    Looks for one scale of all rows, of each row, and of blocks of a row, in this order. Every value
    must be within TOLERANCE of a step, and random floats must pass with a chance below CHANCE:
    single weights in a row say nothing, because any number is a multiple of itself.
    """
    if matrix.ndim != 2 or not matrix.size:
        return None
    columns = matrix.shape[1]
    sizes = [columns, *(block for block in BLOCKS if block < columns and columns % block == 0)]
    # Before anything of the size of the matrix, which may be a turned table of a gigabyte.
    if not _sample_lies_on_grid(matrix[:, : sizes[-1]], WIDE):
        return None
    searches = (_search_grid(matrix, size, most) for size in sizes for most in (NARROW, WIDE))
    grid = next((grid for grid in searches if grid is not None), None)
    if grid is None or not _is_evident(grid):
        return None
    grid = _share_scale(grid) if grid.block == columns else grid
    return grid if grid.is_uniform else _stretch_lone_weights(grid)


def _sample_lies_on_grid(groups: FloatArray, most: int) -> bool:
    """Whether a few groups [n, size], spread over all, are on grids: of most matrices none is."""
    sample = groups[:: max(len(groups) // SAMPLE, 1)]
    return _search_steps(sample, most) is not None


def _is_evident(grid: GridMatrix) -> bool:
    """Whether random floats would lie on this grid with a chance below CHANCE.

    A group has WIDE numbers of steps to choose from for its largest value; every other value but 0
    is then within twice TOLERANCE of a step with a chance of 4 * TOLERANCE.
    """
    live = int((grid.scales > 0).sum())
    checks = int(np.count_nonzero(grid.codes)) - live
    return checks * math.log(4 * TOLERANCE) + live * math.log(WIDE) < math.log(CHANCE)


def _search_grid(matrix: FloatArray, size: int, most: int) -> GridMatrix | None:
    """The grid with a scale for every `size` neighbours of a row, codes up to `most` steps."""
    groups = matrix.reshape(-1, size)
    if not _sample_lies_on_grid(groups, most):
        return None
    codes = np.empty(groups.shape, np.int16)
    scales = np.empty(len(groups), np.float32)
    at_once = max(AT_ONCE // size, 1)
    for first in range(0, len(groups), at_once):
        batch = slice(first, first + at_once)
        steps = _search_steps(groups[batch], most)
        if steps is None or steps[0].max() > MOST or not _are_near(groups[batch], *steps):
            return None
        codes[batch], scales[batch] = steps
    return GridMatrix(codes.reshape(matrix.shape), scales.reshape(len(matrix), -1))


def _search_steps(groups: FloatArray, most: int) -> tuple[Codes, FloatArray] | None:
    """Codes and scale of each group [n, size]; None where one of them lies on no grid.

    The number of steps in a group's largest value is the least at which all values are whole
    numbers of steps. A value that is not, strikes out all numbers of steps at which it is none.
    Both may be off by TOLERANCE.
    """
    peaks = np.maximum(groups.max(axis=1), -groups.min(axis=1))
    shares = groups / np.where(peaks > 0, peaks, 1)[:, None]
    counts = np.arange(1, most + 1, dtype=np.float32)
    allowed = np.ones((len(groups), most), np.bool_)
    for column in range(0, shares.shape[1], max(shares.shape[1] // PROBES, 1)):
        allowed &= _are_whole(shares[:, column, None] * counts)
    codes = np.empty(groups.shape, np.int16)
    pending: Any = slice(None)
    while not isinstance(pending, np.ndarray) or len(pending):
        if not allowed[pending].any(axis=1).all():
            return None
        steps = shares[pending] * counts[allowed[pending].argmax(axis=1), None]
        codes[pending] = np.rint(steps)
        steps -= codes[pending]
        worst = np.abs(steps, out=steps).argmax(axis=1)
        fails = steps[np.arange(len(steps)), worst] > 2 * TOLERANCE
        pending = np.arange(len(groups))[pending][fails]
        allowed[pending] &= _are_whole(shares[pending, worst[fails], None] * counts)
    return codes, _fit_scales(groups, codes)


def _are_whole(steps: FloatArray) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(steps - np.rint(steps)) <= 2 * TOLERANCE)


def _fit_scales(groups: FloatArray, codes: Codes) -> FloatArray:
    """The scale of each group with the least squared error, which undoes the floats' rounding."""
    floats = codes.astype(np.float32)
    squares = np.einsum("ij,ij->i", floats, floats, dtype=np.float64)
    sums = np.einsum("ij,ij->i", groups, floats, dtype=np.float64)
    return np.asarray(sums / np.maximum(squares, 1), np.float32)


def _are_near(groups: FloatArray, codes: Codes, scales: FloatArray) -> bool:
    """Whether every value is within TOLERANCE of its step."""
    errors = codes * scales[:, None]
    errors -= groups
    return bool((np.abs(errors, out=errors).max(axis=1) <= TOLERANCE * scales).all())


def _share_scale(grid: GridMatrix) -> GridMatrix:
    """The grid with one scale for all rows, where the rows' scales allow it in as many bits."""
    live = grid.scales > 0
    shared = _search_steps(grid.scales[live][None], WIDE)
    if shared is None:
        return grid
    (factors,), (scale,) = shared
    codes = grid.codes.copy()
    codes[live[:, 0]] *= factors[:, None]
    if codes.min() < LEAST or codes.max() > MOST:
        return grid
    uniform = GridMatrix(codes, np.where(live, scale, 0).astype(np.float32))
    return uniform if uniform.bits == grid.bits else grid


def _stretch_lone_weights(grid: GridMatrix) -> GridMatrix:
    """The grid with the last integer of its width in groups of a single weight and zeros.

    Its values do not tell, but quantizers put the largest weight of a group there.
    """
    groups = grid.codes.reshape(grid.scales.size, grid.block)
    lone = np.count_nonzero(groups, axis=1) == 1
    if grid.bits == 2 or not lone.any():
        return grid
    most = 2 ** (grid.bits - 1) - 1
    least = max(-most - 1 if grid.codes.min() < -most else -most, -MOST)
    ends = np.where(groups[lone].sum(axis=1) > 0, most, -least)
    groups, scales = groups.copy(), grid.scales.reshape(-1).copy()
    groups[lone] *= ends[:, None].astype(np.int16)
    scales[lone] /= ends
    return GridMatrix(groups.reshape(grid.codes.shape), scales.reshape(grid.scales.shape))


def keep_codes(matrix: FloatArray, block: int, least: int, most: int) -> Kept | None:
    """The codes of a matrix that lies on a grid, from `least` to `most`, and scales of its blocks.

    None where it lies on none, or on one that needs more scales or codes: see `regroup`.
    """
    grid = recover_grid(matrix)
    return None if grid is None else grid.regroup(block, least, most)


def lies_on_shifted_grid(matrix: FloatArray) -> bool:
    """Whether a few rows of `matrix` lie on grids of 8 bits around zero points that are not 0.

    So do weights of torchao's Int4WeightOnlyQATQuantizer, and of PyTorch's affine observers. The
    differences of a row's neighbours are whole numbers of a step then.
    """
    if matrix.ndim != 2 or matrix.shape[1] < 2 * PROBES:
        return False
    block = min(BLOCKS[-1], matrix.shape[1])
    rows = matrix[:: max(len(matrix) // SAMPLE, 1), :block]
    if _search_steps(rows, WIDE) is not None:
        return False
    return _search_steps(rows - rows[:, :1], ALL_STEPS) is not None
