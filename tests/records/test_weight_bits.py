"""Widths of the matrices and of the word table."""

from __future__ import annotations

import pytest

from edge_bert.records.recipe import WI2C_AFP32, WI4_AFP32, WI4C_AFP32, WI8_AFP32, Recipe
from edge_bert.records.weight_bits import WeightBits


@pytest.mark.parametrize(
    ("recipe", "width", "table", "block"),
    [(WI8_AFP32, 8, 8, 0), (WI4_AFP32, 4, 4, 64), (WI4C_AFP32, 4, 4, 0), (WI2C_AFP32, 2, 4, 0)],
    ids=lambda each: getattr(each, "name", None),
)
def test_a_recipe_says_its_bits(recipe: Recipe, width: int, table: int, block: int) -> None:
    """The same for every layer, and the table's own."""
    bits = WeightBits.of_recipe(recipe, 3)
    assert bits.matrix_bits == (width,) * 3
    assert (bits.embedding_bits, bits.matrix_block) == (table, block)


def test_wide_layers_and_roles_keep_four_bits() -> None:
    """The last layer and one role; eight bits are never made fewer."""
    two = WeightBits(matrix_bits=(2, 4, 8), embedding_bits=4, matrix_block=0, wide_roles=("value",))
    assert [two.width_of(layer, "value", 64) for layer in range(3)] == [4, 4, 8]
    assert [two.width_of(layer, "query", 64) for layer in range(3)] == [2, 4, 8]
    fields = {name: getattr(WI2C_AFP32, name) for name in WI2C_AFP32.__struct_fields__}
    recipe = Recipe(**{**fields, "wide_layers": (-1, 5)})
    assert WeightBits.of_recipe(recipe, 3).matrix_bits == (2, 2, 4)


def test_a_row_that_ends_within_a_byte_is_wider() -> None:
    """Two bits need a multiple of four inputs, four bits of two, or of a block."""
    two = WeightBits(matrix_bits=(2,), embedding_bits=2, matrix_block=0)
    assert [two.width_of(0, None, inputs) for inputs in (8, 6, 7)] == [2, 4, 8]
    blocks = WeightBits(matrix_bits=(4,), embedding_bits=4)
    assert [blocks.width_of(0, None, inputs) for inputs in (96, 62)] == [4, 8]
    assert blocks.block_for(96) == 32


def test_other_widths_and_blocks_are_refused() -> None:
    """The error says which there are."""
    with pytest.raises(ValueError, match="2, 4 or 8 bits"):
        WeightBits(matrix_bits=(3,), embedding_bits=4)
    with pytest.raises(ValueError, match=r"blocks of 32, 64, 128 weights, or 0"):
        WeightBits(matrix_bits=(4,), embedding_bits=4, matrix_block=48)
