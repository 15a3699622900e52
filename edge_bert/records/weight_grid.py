"""Grids of integers: how many steps a stored weight can take, and which weights share a scale."""

from __future__ import annotations

import enum

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.weight_bits import PER_BYTE, PIECE, STEPS, WeightBits


class Granularity(enum.Enum):
    """Which values of a matrix [inputs, outputs] or of a table [rows, width] share a scale."""

    CHANNEL = "channel"  # those of one output of a matrix
    BLOCK = "block"  # so many inputs of one output of a matrix, or values of a table's row
    ROW = "row"  # those of a row of a table
    COLUMN = "column"  # those of a column of a table


class Width(enum.Enum):
    """How many integers there are: those of a file's form, or fewer of them that training takes."""

    INT8 = "8"
    INT4 = "4"
    INT3 = "3"
    INT2 = "2"
    TERNARY = "ternary"
    BINARY = "binary"

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest integer."""
        match self:
            case Width.TERNARY | Width.BINARY:
                return -1, 1
            case Width.INT3:
                return -4, 3
        return STEPS[int(self.value)]

    @property
    def count(self) -> int:
        """The number of integers."""
        low, high = self.ends
        return high - low + (self is not Width.BINARY)


class WeightGrid(Record, frozen=True):
    """The integers from `low` to `high` that stored weights are, each times a scale above 0.

    `block` is the number of values with one scale where these are blocks. Without `has_zero` the
    integers are the two ends alone. `half_scales` says that the file has float16 scales,
    of which the runtime takes bfloat16.
    """

    low: int
    high: int
    granularity: Granularity
    block: int = 0
    has_zero: bool = True
    half_scales: bool = False

    def resize(self, width: Width) -> WeightGrid:
        """The grid with the integers of `width`."""
        low, high = width.ends
        has_zero = width is not Width.BINARY
        return msgspec.structs.replace(self, low=low, high=high, has_zero=has_zero)


def make_grid(bits: int, granularity: Granularity) -> WeightGrid:
    """The grid of a file's form with float32 scales."""
    low, high = STEPS[bits]
    return WeightGrid(low, high, granularity)


def make_block_grid(bits: int, block: int) -> WeightGrid:
    """Blocks of `block` values with float16 scales."""
    low, high = STEPS[bits]
    return WeightGrid(low, high, Granularity.BLOCK, block, half_scales=True)


def choose_matrix_grid(
    bits: WeightBits, layer: int | None, role: str | None, inputs: int
) -> WeightGrid:
    """The grid of a hybrid file's matrix with so many inputs; a matrix of no layer has 8 bits.

    `role` is a value of MatrixRole, None for a matrix that has none.
    """
    width = 8 if layer is None else bits.width_of(layer, role, inputs)
    block = bits.block_for(inputs)
    if width == 4 and bits.matrix_block and block is not None:
        return make_block_grid(4, block)
    return make_grid(width, Granularity.CHANNEL)


def choose_word_grid(bits: WeightBits, width: int) -> WeightGrid | None:
    """The grid of a hybrid file's word table; None where two bits make codebooks of it."""
    if bits.embedding_bits == 2 and width % PIECE == 0:
        return None
    if bits.embedding_bits != 4 or width % PER_BYTE[4]:
        return make_grid(8, Granularity.COLUMN)
    divides = bits.embedding_block and width % bits.embedding_block == 0
    return make_block_grid(4, bits.embedding_block if divides else width)
