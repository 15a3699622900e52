"""Blocks of zeros: the schedule's ends, and which blocks go."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_bert.compress.prune.block_sparsity import (
    SparsitySchedule,
    block_sizes,
    check_blocks,
    cut_blocks,
    zero_share,
)
from edge_bert.errors import InputError
from tests.one_line import refused
from tests.quantize.integer import encoders as tiny

BLOCK = (1, 16)


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 1234])
def test_a_schedule_ends_at_its_share_and_stays_there(steps: int) -> None:
    """Nothing at first, all of it before the run ends, and no cut after that."""
    schedule = SparsitySchedule.of(0.8, BLOCK, steps)
    assert schedule.share_at(0) == 0.0
    assert schedule.share_at(schedule.end) == 0.8
    assert schedule.share_at(steps) == 0.8
    assert schedule.end <= steps
    cuts = [step for step in range(1, steps + 1) if schedule.cuts_at(step)]
    assert cuts[-1] == schedule.end
    assert len(cuts) <= 110


def test_a_schedule_is_cubic() -> None:
    """Half of the way leaves an eighth of what is to go, and the share never falls."""
    schedule = SparsitySchedule(0.8, BLOCK, end=100, every=2)
    assert schedule.share_at(50) == pytest.approx(0.8 * 7 / 8)
    shares = [schedule.share_at(step) for step in range(120)]
    assert all(after >= before for before, after in itertools.pairwise(shares))
    rises = [after - before for before, after in itertools.pairwise(shares)]
    assert rises == sorted(rises, reverse=True)


def test_the_smallest_blocks_go() -> None:
    """As many as the share says; what stays is untouched, and cutting again changes nothing."""
    weights = tiny.weights_of("bert")
    cut = cut_blocks(weights, 0.75, BLOCK)
    before, after = weights.layers[0].ffn_in.kernel, cut.layers[0].ffn_in.kernel
    sizes, gone = block_sizes(before, BLOCK), block_sizes(after, BLOCK) == 0
    assert gone.sum() == int(0.75 * gone.size)
    assert sizes[gone].max() <= sizes[~gone].min()
    np.testing.assert_array_equal(after[after != 0], before[after != 0])
    again = cut_blocks(cut, 0.75, BLOCK)
    assert all(np.array_equal(again.arrays[name], array) for name, array in cut.arrays.items())
    assert zero_share(cut, BLOCK) == 0.75
    np.testing.assert_array_equal(cut.embeddings.word, weights.embeddings.word)


def test_a_block_is_outputs_by_inputs() -> None:
    """Sixteen inputs of one output, as they lie side by side in a TFLite file."""
    kernel = np.zeros((32, 4), np.float32)  # [inputs, outputs]
    kernel[16:, 2] = 1.0
    assert np.argwhere(block_sizes(kernel, (1, 16))).tolist() == [[1, 2]]


def test_blocks_that_do_not_fit_are_refused() -> None:
    """With the matrix."""
    with refused(InputError, r"--block 1x24: layer\.0\.query has 32 outputs of 32 inputs"):
        check_blocks(tiny.weights_of("bert"), (1, 24))
