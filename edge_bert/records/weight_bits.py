"""The bits of the weights of a hybrid artifact, layer by layer."""

from __future__ import annotations

from edge_bert.records.base import Record
from edge_bert.records.recipe import Recipe

WIDTHS = (2, 4, 8)
# The steps of each width, zero point 0; LiteRT wants int8 weights from -127.
STEPS = {2: (-2, 1), 4: (-8, 7), 8: (-127, 127)}
PER_BYTE = {2: 4, 4: 2, 8: 1}  # a row of a matrix ends with a byte
# Smaller matrices of a calibrated encoder keep 8 bits: those of outlier neurons matter most.
LEAST_SIDE = 32
# Two bits in the table: a code of 8 bits names one of ENTRIES vectors of PIECE values.
PIECE, ENTRIES = 4, 256
BLOCKS = (32, 64, 128)  # those that the runtime's 4-bit matrix product takes and that are measured


class WeightBits(Record, frozen=True):
    """Bits of the matrices of each layer and of the word-embedding table.

    Four bits have a scale for every `matrix_block` weights of an output channel (0: one for the
    channel), and in the table one for every `embedding_block` values of a row (0: one for the row).
    Eight bits have a scale per output channel, and per column of the table. Two bits have a scale
    per output channel, in the table they are codebooks. Matrices of `wide_roles` (values of
    MatrixRole) have four bits where their layer has two.
    """

    matrix_bits: tuple[int, ...]
    embedding_bits: int
    matrix_block: int = 64
    embedding_block: int = 0
    wide_roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not {*self.matrix_bits, self.embedding_bits} <= set(WIDTHS):
            raise ValueError("matrices and the word table have 2, 4 or 8 bits")
        if self.matrix_block not in (0, *BLOCKS):
            blocks = ", ".join(map(str, BLOCKS))
            raise ValueError(f"4-bit matrices have blocks of {blocks} weights, or 0 for channels")
        if self.embedding_block < 0 or self.embedding_block % 2:
            raise ValueError("blocks of the table have an even number of values, or 0 for rows")

    @classmethod
    def of_recipe(cls, recipe: Recipe, layers: int) -> WeightBits:
        """What `recipe` gives an encoder of so many layers."""
        bits = min(recipe.weight_bits, max(WIDTHS))
        matrix_bits = [bits] * layers
        for layer in recipe.wide_layers:
            if -layers <= layer < layers:
                matrix_bits[layer] = max(bits, 4)
        return cls(
            matrix_bits=tuple(matrix_bits),
            embedding_bits=recipe.embedding_bits or bits,
            matrix_block=recipe.matrix_block,
            wide_roles=recipe.wide_roles,
        )

    def width_of(self, layer: int, role: str | None, inputs: int) -> int:
        """The bits of one matrix with `inputs` columns; a row must end with a byte or a block.

        Where it does not, as after pruning to an odd number of neurons, the matrix has the next
        width that fits. `role` is a value of MatrixRole, None for a matrix that has none.
        """
        least = self.matrix_bits[layer]
        if least == 2 and role in self.wide_roles:
            least = 4
        return next(bits for bits in WIDTHS if bits >= least and self._fits(bits, inputs))

    def _fits(self, bits: int, inputs: int) -> bool:
        if bits == 4 and self.matrix_block:
            return self.block_for(inputs) is not None
        return inputs % PER_BYTE[bits] == 0

    def block_for(self, inputs: int) -> int | None:
        """The block of a 4-bit matrix with `inputs` columns: of one scale, all of them.

        None where no block divides them.
        """
        if not self.matrix_block:
            return inputs
        for block in (self.matrix_block, *BLOCKS):
            if block <= self.matrix_block and inputs % block == 0:
                return block
        return None
