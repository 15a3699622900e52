"""Matrices on a grid are recognised with their very integers, and floats of no grid never."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.quantize.recover_grid import LEAST, MOST, TOLERANCE, recover_grid
from tests.quantize.grids import random_codes, random_scales

Array = npt.NDArray[Any]
ROWS, COLUMNS = 96, 384


def on_grid(codes: Array, scales: Array) -> Array:
    """The float32 matrix of `codes` with a scale for each of as many groups of a row."""
    groups = codes.shape[1] // scales.shape[1]
    return (codes * np.repeat(scales, groups, axis=1)).astype(np.float32)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("block", [None, 128, 64, 32])
def test_integers_and_scales_of_every_width_are_recovered(bits: int, block: int | None) -> None:
    """Codes are equal; scales are within a last place of float32."""
    most = 2 ** (bits - 1) - 1
    codes = random_codes((ROWS, COLUMNS), -most, most, bits)
    scales = random_scales(ROWS * COLUMNS // (block or COLUMNS)).reshape(ROWS, -1)
    grid = recover_grid(on_grid(codes, scales))
    assert grid is not None
    assert (grid.codes == codes).all()
    assert (grid.bits, grid.block) == (bits, block or COLUMNS)
    np.testing.assert_allclose(grid.scales, scales, rtol=1.2e-7)


def test_one_scale_of_all_rows_keeps_codes_with_a_common_divisor() -> None:
    """A row of even codes alone is halved by its own scale, but not by that of the others."""
    codes = random_codes((ROWS, COLUMNS), -100, 100)
    codes[7] = codes[7] // 2 * 2
    grid = recover_grid(on_grid(codes, np.full((ROWS, 1), 0.013, np.float32)))
    assert grid is not None
    assert grid.is_uniform
    assert (grid.codes == codes).all()


def test_rows_of_zeros_and_common_divisors_keep_their_values() -> None:
    """Where the integers have left no trace, the values are equal."""
    codes, scales = random_codes((ROWS, COLUMNS), -100, 100), random_scales(ROWS)[:, None]
    codes[3], codes[5] = 0, codes[5] // 3 * 3
    codes[9] = 0
    codes[9, 4] = 77
    matrix = on_grid(codes, scales)
    grid = recover_grid(matrix)
    assert grid is not None
    assert grid.scales[3] == 0
    assert grid.codes[9, 4] == 127
    np.testing.assert_allclose(grid.codes * grid.scales, matrix, rtol=3e-7)
    others = np.delete(np.arange(ROWS), [3, 5, 9])
    assert (grid.codes[others] == codes[others]).all()


def test_the_tolerance_is_a_ten_thousandth_of_a_step() -> None:
    """Values off by less lie on the grid; one value off by more, in any row, does not."""
    codes, scales = random_codes((ROWS, COLUMNS), -100, 100), random_scales(ROWS)[:, None]
    noise = np.random.default_rng(5).uniform(-1, 1, codes.shape) * TOLERANCE * scales
    matrix = on_grid(codes, scales) + noise * 0.8
    grid = recover_grid(matrix.astype(np.float32))
    assert grid is not None
    assert (grid.codes == codes).all()
    matrix[50, 200] += 3 * TOLERANCE * scales[50, 0]
    assert recover_grid(matrix.astype(np.float32)) is None


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 8, 32, 384])
@pytest.mark.parametrize("rows", [1, 2, 77])
def test_random_floats_are_never_taken_for_a_grid(rows: int, columns: int) -> None:
    """Not even in the smallest matrices, a value of which is always a multiple of itself."""
    random = np.random.default_rng(rows * columns)
    shape = (rows, columns)
    for _ in range(40):
        for matrix in (random.standard_normal(shape), random.uniform(-1, 1, shape)):
            assert recover_grid(matrix.astype(np.float32)) is None


def test_other_formats_of_floats_are_no_grid() -> None:
    """float16 and bfloat16 are multiples of something too, but of more than 127 steps."""
    floats = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    assert recover_grid(floats.astype(np.float16).astype(np.float32)) is None
    bfloat16 = (floats.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert recover_grid(bfloat16) is None
    assert recover_grid(np.zeros((64, 64), np.float32)) is None


def test_codes_are_handed_on_where_the_recipe_can_hold_them() -> None:
    """A scale per row serves blocks, four bits serve eight, and never the other way round."""
    codes, scales = random_codes((ROWS, COLUMNS), -8, 7), random_scales(ROWS)[:, None]
    grid = recover_grid(on_grid(codes, scales))
    assert grid is not None
    as_blocks, as_bytes = grid.regroup(64, -8, 7), grid.regroup(COLUMNS, -MOST, MOST)
    assert as_blocks is not None
    assert as_bytes is not None
    assert (as_blocks[0] == codes).all()
    assert (as_bytes[0] == codes).all()
    assert as_blocks[1].shape == (ROWS, COLUMNS // 64)
    assert grid.regroup(COLUMNS, -2, 1) is None
    blocks = recover_grid(on_grid(codes, random_scales(ROWS * COLUMNS // 32).reshape(ROWS, -1)))
    assert blocks is not None
    assert blocks.regroup(64, -8, 7) is None
    assert blocks.regroup(COLUMNS, -MOST, MOST) is None


def test_a_single_weight_among_zeros_is_the_last_integer() -> None:
    """As quantizers leave a block around one outlier: which it is, others of the matrix show."""
    codes = random_codes((ROWS, COLUMNS), -8, 7)
    codes[4, 32:64] = codes[5, 64:96] = 0
    codes[4, 40], codes[5, 70] = 7, -8
    scales = random_scales(ROWS * COLUMNS // 32).reshape(ROWS, -1)
    grid = recover_grid(on_grid(codes, scales))
    assert grid is not None
    assert (grid.codes == codes).all()
    np.testing.assert_allclose(grid.scales, scales, rtol=2e-7)


def test_scales_that_are_powers_of_two_apart_stay_four_bits() -> None:
    """Such blocks are one grid of eight bits too; a recipe of four finds its own integers."""
    codes = random_codes((ROWS, COLUMNS), -7, 7)
    powers = 2.0 ** np.random.default_rng(1).integers(0, 4, (ROWS, COLUMNS // 32))
    grid = recover_grid(on_grid(codes, 0.01 * powers.astype(np.float32)))
    assert grid is not None
    kept = grid.regroup(32, -8, 7)
    assert kept is not None
    odd = np.gcd.reduce(codes.reshape(ROWS, -1, 32), axis=2) == 1
    assert odd.mean() > 0.9
    assert (kept[0].reshape(ROWS, -1, 32)[odd] == codes.reshape(ROWS, -1, 32)[odd]).all()


def test_minus_128_is_the_one_code_that_int8_weights_do_not_keep() -> None:
    """PyTorch's default weights reach it; TFLite's do not, so it moves by a step, and it alone."""
    codes, scales = random_codes((ROWS, COLUMNS), -127, 127), random_scales(ROWS)[:, None]
    codes[:, 11] = LEAST
    grid = recover_grid(on_grid(codes, scales))
    assert grid is not None
    assert (grid.codes == codes).all()
    kept = grid.regroup(COLUMNS, -MOST, MOST)
    assert kept is not None
    assert (kept[0] == np.maximum(codes, -MOST)).all()


def least_time(run: Callable[[], object], runs: int) -> float:
    """The least processor time of a few runs, in seconds."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def test_large_tables_take_less_than_seconds() -> None:
    """A table of BERT's size, on a grid and not; by processor time, the least of a few runs.

    A busy machine shares processor time, and its caches make it longer.
    """
    codes = np.random.default_rng(0).integers(-127, 128, (30522, 384), np.int8)
    scales = random_scales(30522)[:, None]
    table = on_grid(codes, scales)
    start = time.process_time()
    assert recover_grid(table) is not None
    assert time.process_time() - start < 3
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, 384).astype(np.float32)
    off_grid = table + scales * noise
    assert recover_grid(off_grid) is None
    assert least_time(lambda: recover_grid(off_grid), runs=3) < 0.2
