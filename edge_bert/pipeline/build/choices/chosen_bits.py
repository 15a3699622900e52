"""Bits that the user chose for hybrid files, in place of the recipe's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from edge_bert.encoder.config import MatrixRole
from edge_bert.errors import InputError
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.records.recipe import RECIPES, Recipe, Scheme
from edge_bert.records.weight_bits import WIDTHS, WeightBits


class NarrowChoice(Protocol):
    """Options with the bits of the word table, and what has four bits where the rest has two."""

    @property
    def table_bits(self) -> int | None:
        """2 (codebooks), 4 or 8."""

    @property
    def wide(self) -> tuple[str, ...]:
        """Layers, or values of MatrixRole."""


ROLES = tuple(role.value for role in MatrixRole)
WIDE = 4  # bits of what is not left at 2
HYBRID = [recipe for recipe in RECIPES.values() if recipe.scheme is Scheme.HYBRID]


def check_chosen_bits(options: BuildOptions, recipes: Sequence[Recipe]) -> None:
    """Raise InputError where --table-bits or --wide has no file to change, or a wrong value."""
    if options.table_bits not in (None, *WIDTHS):
        raise InputError(f"--table-bits {options.table_bits}: give 2 (codebooks), 4 or 8.")
    hybrid = [recipe for recipe in recipes if recipe in HYBRID]
    if options.table_bits is not None and not hybrid:
        names = ", ".join(recipe.name for recipe in HYBRID)
        raise InputError(f"--table-bits is for hybrid files: --recipes {names}.")
    two = [recipe.name for recipe in HYBRID if recipe.weight_bits < WIDE]
    if options.wide and not {recipe.name for recipe in hybrid} & {*two}:
        raise InputError(f"--wide is for files with 2-bit weights: --recipes {', '.join(two)}.")


def choose_bits(options: NarrowChoice, recipe: Recipe, layers: int) -> WeightBits | None:
    """The bits of `recipe` with what the user chose; None where nothing was chosen for it.

    Raises InputError for a layer or a role that the encoder does not have.
    """
    if recipe not in HYBRID or (options.table_bits is None and not options.wide):
        return None
    bits = WeightBits.of_recipe(recipe, layers)
    if options.table_bits is not None:
        bits = msgspec.structs.replace(bits, embedding_bits=options.table_bits)
    if recipe.weight_bits >= WIDE:
        return bits
    matrix_bits, roles = [*bits.matrix_bits], []
    for part in options.wide:
        if part in ROLES:
            roles.append(part)
            continue
        matrix_bits[_parse_layer(part, layers)] = WIDE
    return msgspec.structs.replace(bits, matrix_bits=tuple(matrix_bits), wide_roles=tuple(roles))


def _parse_layer(text: str, layers: int) -> int:
    try:
        layer = int(text)
    except ValueError:
        layer = layers
    if not -layers <= layer < layers:
        raise InputError(
            f"--wide {text}: give layers from 0 to {layers - 1} (-1 is the last), or matrices: "
            f"{', '.join(ROLES)}."
        )
    return layer
