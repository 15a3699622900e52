"""Blocks of zeros while training: what is 0 stays 0, and on a schedule the smallest blocks go.

Magnitude pruning of Zhu & Gupta 2017 (arXiv:1710.01878). The mask is in the weights themselves: a
block without a number other than 0 is cut, so a snapshot of the weights has it too.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from edge_bert.compress.prune.block_sparsity import SparsitySchedule, split_shape


def read_mask(kernel: Any, block: tuple[int, int]) -> Any:
    """1 for each block of a kernel [inputs, outputs] that is not 0, else 0."""
    return ops.cast(_block_sizes(kernel, block) > 0, "float32")


def apply_mask(kernel: Any, mask: Any, schedule: SparsitySchedule, step: Any) -> Any:
    """The kernel with the blocks of `mask` alone, and fewer of them where `step` is one that cuts.

    `step` counts from 1, and may be a tensor.
    """
    sizes = _block_sizes(kernel, schedule.block) * mask
    mask = ops.cond(
        _cuts_at(schedule, step), lambda: _cut_mask(sizes, schedule, step), lambda: mask
    )
    spread = _split_blocks(kernel, schedule.block) * ops.expand_dims(mask, (1, 3))
    return ops.reshape(spread, kernel.shape)


def _cuts_at(schedule: SparsitySchedule, step: Any) -> Any:
    """`SparsitySchedule.cuts_at` of a tensor."""
    on_schedule = ops.logical_and(step < schedule.end, ops.equal(step % schedule.every, 0))
    return ops.logical_or(ops.equal(step, schedule.end), on_schedule)


def _cut_mask(sizes: Any, schedule: SparsitySchedule, step: Any) -> Any:
    """The mask without the smallest blocks, as many as the schedule says."""
    left = 1.0 - ops.cast(step, "float32") / schedule.end
    blocks = sizes.shape[0] * sizes.shape[1]
    # A little more than the product, so that rounding does not lose a block at the end.
    count = ops.cast(schedule.share * (1.0 - left**3) * blocks + 1e-3, "int32")
    ranked = ops.sort(ops.reshape(sizes, (-1,)))
    # Sizes are never below 0: with nothing to cut, -1 keeps all.
    limit = ops.where(count > 0, ops.take(ranked, ops.maximum(count - 1, 0)), -1.0)
    return ops.cast(sizes > limit, "float32")


def _block_sizes(kernel: Any, block: tuple[int, int]) -> Any:
    return ops.sum(ops.square(_split_blocks(kernel, block)), axis=(1, 3))


def _split_blocks(kernel: Any, block: tuple[int, int]) -> Any:
    return ops.reshape(kernel, split_shape(kernel.shape, block))
