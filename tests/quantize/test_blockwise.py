"""int4 in blocks: scales, packing, and what the runtime reads."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.quantize import blockwise
from edge_bert.quantize.channelwise import pack_steps

RANDOM = np.random.RandomState(5)
MATRIX = RANDOM.standard_normal((6, 128)).astype(np.float32)


@pytest.mark.parametrize("block", [32, 64, 128])
def test_values_are_right_to_half_a_step_or_cut(block: int) -> None:
    """Every value lies within half a step, but for those that cutting leaves at an end."""
    values, scales = blockwise.quantize_blockwise(MATRIX, block)
    assert scales.shape == (6, 128 // block)
    assert values.min() >= -8
    assert values.max() <= 7
    error = np.abs(blockwise.dequantize_blockwise(values, scales) - MATRIX)
    half = np.repeat(scales.astype(np.float32), block, axis=1) * 0.5001
    assert ((error <= half) | (values == 7) | (values == -8)).all()


def test_the_scale_has_the_least_error_of_those_tried() -> None:
    """No share of the largest magnitude would give less squared error."""
    block = MATRIX[:1, :32].reshape(1, 1, 32)

    def error(scale: float) -> float:
        step = np.full((1, 1, 1), scale, np.float32)
        return float(np.square(blockwise.round_int4(block, step) * step - block).sum())

    chosen = error(float(blockwise.least_error_scales(block)[0, 0]))
    largest = float(np.abs(block).max())
    assert chosen <= min(error(float(np.float16(largest * s / 7))) for s in blockwise.SHARES) + 1e-6
    assert chosen < error(float(np.float16(largest / 7)))


@pytest.mark.parametrize("tiny", [0.0, 1e-9, -1e-9])
def test_rows_of_nothing_have_a_scale_that_the_runtime_takes(tiny: float) -> None:
    """XNNPACK refuses scales of zero and below the smallest normal float16."""
    values, scales = blockwise.quantize_blockwise(np.full((2, 64), tiny, np.float32), 32)
    assert not values.any()
    assert (scales >= blockwise.MIN_SCALE).all()


def test_two_values_share_a_byte_low_half_first() -> None:
    """The order of TFLite's INT4."""
    packed = pack_steps(np.array([[1, -1, -8, 7]], np.int8), 4)
    assert packed.tolist() == [0xF1, 0x78]
