"""Recipes: how numbers are stored and computed in an artifact, named by their bits."""

from __future__ import annotations

import enum

from edge_bert.records.base import Record


class Scheme(enum.Enum):
    """The families of number formats."""

    FLOAT = "float"
    HYBRID = "hybrid"  # integer weights; activations quantized when the model runs
    INTEGER = "integer"  # every tensor integer, with scales from a calibration set
    MIXED = "mixed"  # matrix products as in INTEGER, float32 between them


class Recipe(Record, frozen=True):
    """A way to store and compute a model.

    The name says the bits: `wi8_ai8` has integer weights of 8 bits and integer activations of 8;
    `wi8_ai8_afp32` has float32 activations besides. `activation_bits` are those of the widest.
    `wi4c` has one scale per output channel (`matrix_block` 0), as 8 bits have; `wi4` has one for
    every `matrix_block` weights. The word table has `embedding_bits`, 0 for those of the weights.
    Matrices of `wide_layers` (indices; -1 is the last) and of `wide_roles` (values of MatrixRole)
    have 4 bits where the others have 2.
    """

    name: str
    scheme: Scheme
    weight_bits: int
    activation_bits: int
    title: str
    matrix_block: int = 0
    embedding_bits: int = 0
    wide_layers: tuple[int, ...] = ()
    wide_roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.scheme is Scheme.INTEGER and self.activation_bits > 16:
            raise ValueError(f"{self.name}: integer activations have 8 or 16 bits")

    @property
    def is_reference(self) -> bool:
        """Whether this is the float32 file, to which every other recipe is compared."""
        return self.scheme is Scheme.FLOAT and self.weight_bits == 32

    @property
    def needs_calibration(self) -> bool:
        """Whether the ranges of activations must be known before the file is made."""
        return self.scheme in (Scheme.INTEGER, Scheme.MIXED)


FLOAT32 = Recipe(
    name="float32",
    scheme=Scheme.FLOAT,
    weight_bits=32,
    activation_bits=32,
    title="float32 weights and activations: the reference",
)
FLOAT16 = Recipe(
    name="float16",
    scheme=Scheme.FLOAT,
    weight_bits=16,
    activation_bits=32,
    title="float16 weights, for GPUs",
)
WI8_AFP32 = Recipe(
    name="wi8_afp32",
    scheme=Scheme.HYBRID,
    weight_bits=8,
    activation_bits=32,
    title="hybrid: int8 weights per channel, activations quantized at run time, for CPUs",
)
WI8_AI8 = Recipe(
    name="wi8_ai8",
    scheme=Scheme.INTEGER,
    weight_bits=8,
    activation_bits=8,
    title="full integer: every tensor integer, for NPUs, DSPs and microcontrollers",
)
WI8_AI16 = Recipe(
    name="wi8_ai16",
    scheme=Scheme.INTEGER,
    weight_bits=8,
    activation_bits=16,
    title="full integer, 16 bits where 8 cost accuracy, for NPUs that multiply 16 by 8 bits",
)
WI8_AI8_AFP32 = Recipe(
    name="wi8_ai8_afp32",
    scheme=Scheme.MIXED,
    weight_bits=8,
    activation_bits=32,
    title="int8 matrix products with calibrated scales, float32 between them: the fastest on CPUs",
)
WI4_AFP32 = Recipe(
    name="wi4_afp32",
    scheme=Scheme.HYBRID,
    weight_bits=4,
    activation_bits=32,
    title="hybrid with 4-bit weights: the smallest file",
    matrix_block=64,
)
WI4C_AFP32 = Recipe(
    name="wi4c_afp32",
    scheme=Scheme.HYBRID,
    weight_bits=4,
    activation_bits=32,
    title="hybrid: int4 weights per channel, as fast as int8 at half the bytes",
)
WI2C_AFP32 = Recipe(
    name="wi2c_afp32",
    scheme=Scheme.HYBRID,
    weight_bits=2,
    activation_bits=32,
    title="hybrid: int2 weights per channel, the word table in 4 bits; for models trained for it",
    embedding_bits=4,
)
WI4C_AI8 = Recipe(
    name="wi4c_ai8",
    scheme=Scheme.INTEGER,
    weight_bits=4,
    activation_bits=8,
    title="full integer with int4 matrices per channel, tables in 8 bits",
    embedding_bits=8,
)
WI4C_AI8_AFP32 = Recipe(
    name="wi4c_ai8_afp32",
    scheme=Scheme.MIXED,
    weight_bits=4,
    activation_bits=32,
    title="int8 by int4 matrix products with calibrated scales, float32 between them",
    embedding_bits=8,
)
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        FLOAT32,
        FLOAT16,
        WI8_AFP32,
        WI8_AI8,
        WI8_AI16,
        WI8_AI8_AFP32,
        WI4_AFP32,
        WI4C_AFP32,
        WI2C_AFP32,
        WI4C_AI8,
        WI4C_AI8_AFP32,
    )
}
# The others are built on request: CPUs have slow kernels for 16-bit activations, and weights with
# fewer bits per channel are for models that were trained for them.
DEFAULT_RECIPES = (FLOAT32, FLOAT16, WI8_AFP32, WI8_AI8, WI8_AI8_AFP32, WI4_AFP32)
