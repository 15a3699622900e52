"""The numbers that a recipe's file will have, matrix by matrix: what training rounds to.

Inferred from the recipe and the bits that the build takes, so that the two cannot differ (as
torchao's QAT infers its configuration from that of the conversion).
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge_bert.encoder.config import MatrixRole
from edge_bert.encoder.weights import EncoderWeights, HeadDense
from edge_bert.errors import InputError
from edge_bert.records.recipe import Recipe, Scheme
from edge_bert.records.weight_bits import WeightBits
from edge_bert.records.weight_grid import (
    Granularity,
    WeightGrid,
    Width,
    choose_matrix_grid,
    choose_word_grid,
    make_grid,
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
        name: choose_matrix_grid(bits, layer, role, inputs)
        for name, layer, role, inputs in list_matrices(weights)
    }
    return FakeQuantConfig(
        recipe.name, Activations.DYNAMIC_INT8, grids, _list_tables(bits, weights)
    )


def resize_matrices(config: FakeQuantConfig, width: Width) -> FakeQuantConfig:
    """The configuration with `width` in those matrices of layers that have the fewest integers.

    The others keep what the file gives them. Earlier stages of a training have more integers than
    the file, ternary and binary weights fewer.
    """
    layers = {name: grid for name, grid in config.matrices.items() if name.startswith("layer.")}
    fewest = min(grid.high for grid in layers.values())
    resized = {name: grid.resize(width) for name, grid in layers.items() if grid.high == fewest}
    return dataclasses.replace(config, matrices={**config.matrices, **resized})


def list_matrices(
    weights: EncoderWeights,
) -> Iterator[tuple[str, int | None, str | None, int]]:
    """The kernel of every matrix: its name, layer, role (None for one of no layer) and inputs.

    Of layers that share their weights, the first is named.
    """
    for layer in dict.fromkeys(weights.tied_layers):
        for role in MatrixRole:
            inputs = weights.config.matrix_shape(role, layer)[0]
            yield f"layer.{layer}.{role.value}.kernel", layer, role.value, inputs
    if weights.embeddings.projection is not None:
        yield "embeddings.projection.kernel", None, None, len(weights.embeddings.projection.kernel)
    for index, part in enumerate(weights.head_layers):
        if isinstance(part, HeadDense):
            yield f"head.{index}.kernel", None, None, len(part.kernel)


def _list_tables(bits: WeightBits, weights: EncoderWeights) -> dict[str, WeightGrid]:
    tables = {WORD: choose_word_grid(bits, weights.config.table_width)}
    if bits.embedding_bits < 8:
        tables[POSITION] = make_grid(8, Granularity.ROW)
    if weights.embeddings.token_type is not None and "token_type_ids" in weights.input_names:
        tables[TOKEN_TYPE] = make_grid(8, Granularity.COLUMN)
    return {name: grid for name, grid in tables.items() if grid is not None}
