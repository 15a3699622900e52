"""The bits of the weights of a hybrid artifact, layer by layer."""

from __future__ import annotations

from edge_bert.records.base import Record

WIDTHS = (4, 8)
EMBEDDING_WIDTHS = (2, 4, 8)
# Two bits: a code of 8 bits names one of ENTRIES vectors of PIECE values.
PIECE, ENTRIES = 4, 256
BLOCKS = (32, 64, 128)  # those that the runtime's 4-bit matrix product takes and that are measured


class WeightBits(Record, frozen=True):
    """Bits of the matrices of each layer and of the word-embedding table.

    Four bits have a scale for every `matrix_block` weights of an output channel, and in the table
    one for every `embedding_block` values of a row (0: one for the row). Eight bits have a scale
    per output channel, and per column of the table. Two bits, in the table only, are codebooks.
    """

    matrix_bits: tuple[int, ...]
    embedding_bits: int
    matrix_block: int = 64
    embedding_block: int = 0

    def __post_init__(self) -> None:
        if not set(self.matrix_bits) <= set(WIDTHS):
            raise ValueError("matrices have 4 or 8 bits")
        if self.embedding_bits not in EMBEDDING_WIDTHS:
            raise ValueError("the word table has 2, 4 or 8 bits")
        if self.matrix_block not in BLOCKS:
            raise ValueError(f"4-bit matrices have blocks of {', '.join(map(str, BLOCKS))} weights")
        if self.embedding_block < 0 or self.embedding_block % 2:
            raise ValueError("blocks of the table have an even number of values, or 0 for rows")

    def block_for(self, inputs: int) -> int | None:
        """The block of a 4-bit matrix with `inputs` columns; None where no block divides them.

        A matrix without one, as after pruning to an odd number of neurons, keeps 8 bits.
        """
        for block in (self.matrix_block, *BLOCKS):
            if block <= self.matrix_block and inputs % block == 0:
                return block
        return None
