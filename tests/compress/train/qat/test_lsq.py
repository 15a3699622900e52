"""What training rounds to: the runtime's numbers going forward, LSQ's gradients coming back."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.compress.train.qat.scales import (
    fit_scales,
    reduce_integers,
    restore_values,
    round_table,
    round_to_integers,
    store_scales,
)
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.quantize import blockwise
from edge_bert.quantize.channelwise import quantize_channelwise
from edge_bert.quantize.hybrid import convert_hybrid
from edge_bert.quantize.uniform import INT8_MAX, quantize_int8
from edge_bert.records.weight_bits import WeightBits
from edge_bert.records.weight_grid import Granularity, WeightGrid, Width, make_block_grid, make_grid
from tests.runtimes.op_models import Step, Tensor, graph, options_of

import_tensorflow()

from edge_bert.compress.train.qat.lsq import fake_quantize, round_rows  # noqa: E402

RANDOM = np.random.default_rng(5)
KERNEL = (RANDOM.normal(size=(64, 6)) * np.geomspace(0.02, 3, 6)).astype(np.float32)
GRIDS = [
    *(make_grid(8, Granularity.CHANNEL).resize(width) for width in Width if width.value != "4"),
    make_block_grid(4, 32),
]


def run_hybrid(rows: np.ndarray, kernel: np.ndarray, bits: int) -> np.ndarray:
    """The rows times the kernel in so many bits, whose file the real runtime runs."""
    from ai_edge_litert.interpreter import Interpreter

    tensors = [
        Tensor(rows.shape, "float32"),
        Tensor(kernel.T.shape, "float32", data=np.ascontiguousarray(kernel.T)),
        Tensor((kernel.shape[1],), "float32", data=np.zeros(kernel.shape[1], np.float32)),
        Tensor((len(rows), kernel.shape[1]), "float32"),
    ]
    dense = options_of("FullyConnectedOptions", keepNumDims=True)
    model = graph(tensors, [Step("FULLY_CONNECTED", 1, (0, 1, 2), 3, dense)])
    interpreter = Interpreter(
        model_content=convert_hybrid(model, WeightBits((bits,), 8, matrix_block=0))
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], rows)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_rows_are_rounded_as_the_runtime_rounds_them(bits: int) -> None:
    """The file's product is that of the rounded rows; of rows that are not, it is far off."""
    rows = RANDOM.normal(size=(9, 64)).astype(np.float32)
    rows[1] = np.abs(rows[1]) + 2  # without a value below 0, which is a step all the same
    rows[2], rows[3] = 0, -3 * np.abs(rows[3])
    matrix = np.ascontiguousarray(KERNEL.T)
    eight = bits == 8
    values, scales = quantize_int8(matrix, 0) if eight else quantize_channelwise(matrix, bits)
    stored = (values * scales[:, None]).T.astype(np.float32)
    products = run_hybrid(rows, KERNEL, bits)
    size = np.abs(products).max()
    ours = np.asarray(round_rows(rows)) @ stored
    np.testing.assert_allclose(ours, products, atol=2e-6 * size)
    assert np.abs(rows @ stored - products).max() > 1e-3 * size


@pytest.mark.parametrize("grid", GRIDS)
def test_the_gradients_are_those_of_lsq(grid: WeightGrid) -> None:
    """Of the weights: 1 inside of the grid, 0 where they are clipped; of the scales the paper's."""
    import tensorflow as tf

    scales = store_scales(fit_scales(KERNEL, grid) * np.float32(0.8), grid)  # so that some clip
    kernel, logs = tf.Variable(KERNEL), tf.Variable(np.log(scales))
    upstream = RANDOM.normal(size=KERNEL.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        rounded = fake_quantize(kernel, logs, grid)
        value = tf.reduce_sum(rounded * upstream)
    gradient, log_gradient = tape.gradient(value, [kernel, logs])
    integers = round_to_integers(KERNEL, scales, grid)
    expected = restore_values(integers, scales, grid)
    np.testing.assert_allclose(rounded, expected, rtol=1e-5, atol=1e-7)
    blocks = KERNEL.reshape(-1, len(KERNEL) // scales.shape[0], KERNEL.shape[1])
    ratio = blocks / scales.reshape(len(blocks), 1, -1)
    inside = (ratio >= grid.low) & (ratio <= grid.high)
    np.testing.assert_allclose(gradient, upstream * inside.reshape(KERNEL.shape), atol=1e-6)
    slope = integers.reshape(blocks.shape) - np.where(inside, ratio, 0)
    summed = (slope * upstream.reshape(blocks.shape)).sum(axis=1, keepdims=True)
    damping = 1 / np.sqrt(blocks.shape[1] * grid.high)
    by_log = summed * damping * scales.reshape(summed.shape)
    np.testing.assert_allclose(
        np.asarray(log_gradient).reshape(by_log.shape), by_log, rtol=2e-3, atol=1e-4
    )


@pytest.mark.parametrize("grid", GRIDS)
def test_scales_start_near_the_least_squared_error(grid: WeightGrid) -> None:
    """Within 2 % of the best of a fine search, for the widths that have a choice."""
    scales = fit_scales(KERNEL, grid)
    least = np.square(restore(KERNEL, scales, grid) - KERNEL).sum()
    tried = [
        np.square(restore(KERNEL, store_scales(scales * np.float32(share), grid), grid) - KERNEL)
        for share in np.geomspace(0.4, 2.5, 201)
    ]
    blocks = np.stack(tried).reshape(len(tried), -1, len(KERNEL) // scales.shape[0], 6)
    assert least <= 1.02 * blocks.sum(axis=2).min(axis=0).sum()


def restore(kernel: np.ndarray, scales: np.ndarray, grid: WeightGrid) -> np.ndarray:
    """The kernel on its grid."""
    return restore_values(round_to_integers(kernel, scales, grid), scales, grid)


@pytest.mark.parametrize(("width", "codes"), zip(Width, (255, 16, 8, 4, 3, 2), strict=True))
def test_narrower_widths_have_fewer_integers(width: Width, codes: int) -> None:
    """Down to two, without one at 0."""
    grid = make_grid(8, Granularity.CHANNEL).resize(width)
    kernel = np.linspace(-1, 1, 2000, dtype=np.float32)[:, None]
    integers = round_to_integers(kernel, np.full((1, 1), 1 / 300, np.float32), grid)
    assert len(set(integers.flat)) == codes
    assert (integers.min(), integers.max()) == width.ends


def test_grids_are_those_of_the_build() -> None:
    """The ends that rounding without training has too."""
    assert (make_block_grid(4, 64).low, make_block_grid(4, 64).high) == (
        blockwise.LOW,
        blockwise.HIGH,
    )
    assert make_grid(8, Granularity.CHANNEL).high == INT8_MAX


@pytest.mark.parametrize("grid", [make_grid(8, Granularity.CHANNEL), make_block_grid(4, 32)])
def test_integers_have_no_common_divisor(grid: WeightGrid) -> None:
    """So that the weights alone tell them; zeros stay."""
    integers = np.array([[2, 3, 0], [-4, 6, 0], [6, 1, 0]] * 32, np.int8)[:64]
    scales = np.full((64 // (grid.block or 64), *(1,) * bool(grid.block), 3), 0.25, np.float32)
    reduced, larger = reduce_integers(integers, scales, grid)
    np.testing.assert_array_equal(reduced[:, 0], integers[:, 0] // 2)
    np.testing.assert_array_equal(reduced[:, 1:], integers[:, 1:])
    np.testing.assert_array_equal(
        restore_values(reduced, larger, grid), restore_values(integers, scales, grid)
    )


def test_tables_lie_on_the_grid_of_their_rows_or_columns() -> None:
    """A row of four bits has at most sixteen values, a column of eight at most 255."""
    table = RANDOM.normal(size=(1200, 32)).astype(np.float32)
    rows = round_table(table, make_block_grid(4, 32))
    columns = round_table(table, make_grid(8, Granularity.COLUMN))
    assert max(len(set(row)) for row in rows) <= 16
    assert max(len(set(column)) for column in columns.T) <= 255
    assert np.square(rows - table).mean() < 0.02
    assert np.square(columns - table).mean() < 3e-4
