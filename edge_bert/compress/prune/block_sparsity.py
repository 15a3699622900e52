"""Blocks of zeros in matrices: the schedule of their share, and the smallest blocks cut at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.config import EncoderConfig, MatrixRole
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import FloatArray

CUTS = 50  # of a schedule: fewer cut too much at once, more cost time
RAMP = 0.6  # of all steps; the rest trains what is left at the final share


@dataclass(frozen=True)
class SparsitySchedule:
    """The share of blocks that are zeros, which rises to `share` in the first `end` steps.

    Cubic, as in Zhu & Gupta 2017 (arXiv:1710.01878): fast while much is superfluous, then slower.
    Blocks are [outputs, inputs] of a matrix; they are cut `every` so many steps, and at `end`.
    """

    share: float
    block: tuple[int, int]
    end: int
    every: int

    @classmethod
    def of(cls, share: float, block: tuple[int, int], steps: int) -> SparsitySchedule:
        """That of a run of so many steps."""
        end = max(1, int(RAMP * steps))
        return cls(share, block, end, every=max(1, end // CUTS))

    def share_at(self, step: int) -> float:
        """The share after `step` steps."""
        left = 1.0 - min(step, self.end) / self.end
        return self.share * (1.0 - left**3)

    def cuts_at(self, step: int) -> bool:
        """Whether blocks are cut in this step, the first being 1."""
        return step == self.end or (step < self.end and step % self.every == 0)


def sparse_kernels(config: EncoderConfig) -> Iterator[str]:
    """The names of the matrices that get blocks of zeros: those of the layers."""
    for layer in range(config.layers):
        for role in MatrixRole:
            yield f"layer.{layer}.{role.value}.kernel"


def check_blocks(weights: EncoderWeights, block: tuple[int, int]) -> None:
    """Raise InputError where a matrix is no whole number of blocks [outputs, inputs]."""
    outputs, inputs = block
    arrays = weights.arrays
    for name in sparse_kernels(weights.config):
        rows, columns = arrays[name].shape
        if rows % inputs or columns % outputs:
            raise InputError(
                f"--block {outputs}x{inputs}: {name.removesuffix('.kernel')} has {columns} outputs "
                f"of {rows} inputs, which are no whole blocks; give a divisor of both."
            )


def cut_blocks(weights: EncoderWeights, share: float, block: tuple[int, int]) -> EncoderWeights:
    """The encoder with the smallest blocks of each matrix at 0, a `share` of them.

    Where as many are 0 already, nothing changes.
    """
    arrays = weights.arrays
    return replace_arrays(
        weights,
        {name: _cut_kernel(arrays[name], share, block) for name in sparse_kernels(weights.config)},
    )


def zero_share(weights: EncoderWeights, block: tuple[int, int]) -> float:
    """The share of blocks that are 0, over all matrices of the layers."""
    arrays = weights.arrays
    sizes = [block_sizes(arrays[name], block) for name in sparse_kernels(weights.config)]
    return sum(int((size == 0).sum()) for size in sizes) / sum(size.size for size in sizes)


def block_sizes(kernel: FloatArray, block: tuple[int, int]) -> FloatArray:
    """The sums of squares of the blocks of a kernel [inputs, outputs], an array of its blocks."""
    split = kernel.reshape(split_shape(kernel.shape, block))
    return np.asarray(np.square(split).sum(axis=(1, 3)), np.float32)


def _cut_kernel(kernel: FloatArray, share: float, block: tuple[int, int]) -> FloatArray:
    sizes = block_sizes(kernel, block)
    count = int(share * sizes.size + 1e-3)  # 0.8 times 10 may be a little less than 8
    mask = np.ones(sizes.size, np.float32)
    mask[np.argsort(sizes, axis=None, kind="stable")[:count]] = 0.0
    split = kernel.reshape(split_shape(kernel.shape, block))
    spread = split * mask.reshape(sizes.shape)[:, None, :, None]
    return np.asarray(spread.reshape(kernel.shape), np.float32)


def split_shape(shape: Sequence[int], block: tuple[int, int]) -> tuple[int, int, int, int]:
    """The shape of a kernel [inputs, outputs] by the places of its blocks and those in a block."""
    outputs, inputs = block
    rows, columns = shape
    return rows // inputs, inputs, columns // outputs, outputs
