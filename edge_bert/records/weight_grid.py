"""Grids of integers: how many steps a stored weight can take, and which weights share a scale."""

from __future__ import annotations

import enum

from edge_bert.records.base import Record
from edge_bert.records.weight_bits import WeightBits

INT4_BLOCK_LOW = -8  # blocks use all sixteen codes; every other grid is symmetric


class Granularity(enum.Enum):
    """Which values of a matrix [inputs, outputs] or of a table [rows, width] share a scale."""

    CHANNEL = "channel"  # those of one output of a matrix
    BLOCK = "block"  # so many inputs of one output of a matrix, or values of a table's row
    ROW = "row"  # those of a row of a table
    COLUMN = "column"  # those of a column of a table


class WeightGrid(Record, frozen=True):
    """The integers from `low` to `high` that stored weights are, each times a scale above 0.

    `block` is the number of values with one scale where these are blocks. Without `has_zero` the
    integers are the two ends alone: one bit. `half_scales` says that the file has float16 scales.
    """

    low: int
    high: int
    granularity: Granularity
    block: int = 0
    has_zero: bool = True
    half_scales: bool = False


def symmetric_grid(bits: int, granularity: Granularity) -> WeightGrid:
    """As many integers below 0 as above it: -127 to 127, -7 to 7, -3 to 3, -1 to 1, or -1 and 1.

    Raises ValueError for no bits, or more than 8.
    """
    if not 1 <= bits <= 8:
        raise ValueError(f"weights of {bits} bits")
    high = max(2 ** (bits - 1) - 1, 1)
    return WeightGrid(-high, high, granularity, has_zero=bits > 1)


def block_grid(bits: int, block: int) -> WeightGrid:
    """Blocks of `block` values with float16 scales; four bits go from -8 to 7."""
    low, high = (INT4_BLOCK_LOW, 7) if bits == 4 else (-(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1)
    return WeightGrid(low, high, Granularity.BLOCK, block, half_scales=True)


def choose_matrix_grid(bits: WeightBits, layer: int | None, inputs: int) -> WeightGrid:
    """The grid of a hybrid file's matrix with so many inputs; a matrix of no layer has 8 bits."""
    width = 8 if layer is None else bits.matrix_bits[layer]
    if width == 8:
        return symmetric_grid(8, Granularity.CHANNEL)
    if not bits.matrix_block:
        return symmetric_grid(width, Granularity.CHANNEL)
    block = bits.block_for(inputs)
    return symmetric_grid(8, Granularity.CHANNEL) if block is None else block_grid(width, block)


def choose_word_grid(bits: WeightBits, width: int) -> WeightGrid | None:
    """The grid of a hybrid file's word table; None where two bits make codebooks of it."""
    if bits.embedding_bits == 8:
        return symmetric_grid(8, Granularity.COLUMN)
    if bits.embedding_bits == 2:
        return None
    divides = bits.embedding_block and width % bits.embedding_block == 0
    return block_grid(4, bits.embedding_block if divides else width)
