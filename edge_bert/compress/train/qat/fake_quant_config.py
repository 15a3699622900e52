"""The numbers that a recipe's file will have, matrix by matrix: what training rounds to.

Inferred from the recipe and the bits that the build takes, so that the two cannot differ (as
torchao's QAT infers its configuration from that of the conversion).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from edge_bert.encoder.config import MatrixRole
from edge_bert.encoder.weights import EncoderWeights, HeadDense
from edge_bert.errors import InputError
from edge_bert.records.recipe import Recipe, Scheme
from edge_bert.records.weight_bits import WeightBits
from edge_bert.records.weight_grid import (
    Granularity,
    WeightGrid,
    choose_matrix_grid,
    choose_word_grid,
    symmetric_grid,
)

WORD, POSITION, TOKEN_TYPE = "embeddings.word", "embeddings.position", "embeddings.token_type"


class Activations(enum.Enum):
    """How the rows that a matrix multiplies are rounded when the file runs."""

    FLOAT = "float"
    DYNAMIC_INT8 = "dynamic int8"  # each row by its own range, when it runs


@dataclass(frozen=True)
class FakeQuantConfig:
    """The grid of every matrix by the name of its kernel, and of every table that has one.

    Matrices read rows after LayerNorm's gamma and beta, which stay outside of them.
    """

    recipe: str
    activations: Activations
    matrices: Mapping[str, WeightGrid]
    tables: Mapping[str, WeightGrid]


def infer_config(recipe: Recipe, bits: WeightBits, weights: EncoderWeights) -> FakeQuantConfig:
    """What a file of `recipe` with `bits` rounds of `weights`.

    Raises InputError for a recipe whose numbers cannot be trained this way.
    """
    if recipe.scheme is not Scheme.HYBRID:
        raise InputError(
            f"{recipe.name} has no integer weights with float activations to train; give a "
            "recipe such as wi8_afp32 or wi4_afp32."
        )
    grids = {
        name: choose_matrix_grid(bits, layer, inputs)
        for name, layer, inputs in list_matrices(weights)
    }
    return FakeQuantConfig(
        recipe.name, Activations.DYNAMIC_INT8, grids, _list_tables(bits, weights)
    )


def narrow_matrices(config: FakeQuantConfig, widths: Sequence[int]) -> FakeQuantConfig:
    """The configuration with `widths` [layers] bits in the matrices of each layer.

    They are stored in the form of the recipe, which has at least as many: a chain's earlier steps
    have more bits, ternary and binary weights fewer.
    """
    matrices = {
        name: _narrow(grid, widths[int(name.split(".")[1])]) if name.startswith("layer.") else grid
        for name, grid in config.matrices.items()
    }
    return FakeQuantConfig(config.recipe, config.activations, matrices, config.tables)


def _narrow(grid: WeightGrid, bits: int) -> WeightGrid:
    symmetric = symmetric_grid(bits, grid.granularity)
    if (symmetric.high, symmetric.has_zero) == (grid.high, grid.has_zero):
        return grid  # a block of four bits has one more code
    return msgspec.structs.replace(
        grid, low=symmetric.low, high=symmetric.high, has_zero=symmetric.has_zero
    )


def list_matrices(weights: EncoderWeights) -> Iterator[tuple[str, int | None, int]]:
    """The kernel of every matrix: its name, its layer (None for one of no layer), its inputs.

    Of layers that share their weights, the first is named.
    """
    for layer in dict.fromkeys(weights.tied_layers):
        for role in MatrixRole:
            inputs = weights.config.matrix_shape(role, layer)[0]
            yield f"layer.{layer}.{role.value}.kernel", layer, inputs
    if weights.embeddings.projection is not None:
        yield "embeddings.projection.kernel", None, len(weights.embeddings.projection.kernel)
    for index, part in enumerate(weights.head_layers):
        if isinstance(part, HeadDense):
            yield f"head.{index}.kernel", None, len(part.kernel)


def _list_tables(bits: WeightBits, weights: EncoderWeights) -> dict[str, WeightGrid]:
    tables = {WORD: choose_word_grid(bits, weights.config.table_width)}
    if bits.embedding_bits < 8:
        tables[POSITION] = symmetric_grid(8, Granularity.ROW)
    if weights.embeddings.token_type is not None and "token_type_ids" in weights.input_names:
        tables[TOKEN_TYPE] = symmetric_grid(8, Granularity.COLUMN)
    return {name: grid for name, grid in tables.items() if grid is not None}
