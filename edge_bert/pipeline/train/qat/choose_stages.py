"""Which recipes are trained, with what bits, and in which stages their widths are reached."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_bert.compress.train.qat.train_stages import Stage
from edge_bert.errors import InputError
from edge_bert.pipeline.build.choices import chosen_bits
from edge_bert.pipeline.train.options import QatOptions
from edge_bert.records.base import Record
from edge_bert.records.recipe import RECIPES, Recipe, Scheme
from edge_bert.records.training import TrainingSettings
from edge_bert.records.weight_bits import WIDTHS, WeightBits
from edge_bert.records.weight_grid import Width

TRAINED = {
    recipe.name: recipe
    for recipe in RECIPES.values()
    if recipe.scheme is Scheme.HYBRID or (recipe.needs_calibration and recipe.activation_bits != 16)
}
FILE_WIDTHS = {8: Width.INT8, 4: Width.INT4, 2: Width.INT2}


class Course(Record, frozen=True):
    """How a width is trained where the user does not say: docs/training.md says what was tried."""

    epochs: int
    learning_rate: float


COURSES = {
    Width.INT8: Course(1, 5e-5),
    Width.INT4: Course(2, 5e-4),
    Width.INT3: Course(2, 5e-4),
    Width.INT2: Course(3, 1e-3),
    Width.TERNARY: Course(3, 1e-3),
    Width.BINARY: Course(3, 1e-3),
}


def find_recipe(name: str) -> Recipe:
    """The recipe that is trained; InputError for one that is unknown or has nothing to train."""
    if name in TRAINED:
        return TRAINED[name]
    why = "stores floats, which need no training" if name.startswith("float") else "is unknown"
    if name in RECIPES and not name.startswith("float"):
        why = "is not trained here"
    raise InputError(f"--recipe {name[:40]!r} {why}; give one of {', '.join(TRAINED)}.")


def choose_bits(options: QatOptions, recipe: Recipe, layers: int) -> WeightBits:
    """The bits of the recipe's file, with what the options change in them.

    Raises InputError for bits, layers or roles that there are not.
    """
    if options.table_bits not in (None, *WIDTHS):
        widths = ", ".join(map(str, WIDTHS))
        raise InputError(f"--table-bits {options.table_bits}: the word table has {widths}.")
    chosen = chosen_bits.choose_bits(options, recipe, layers)
    if chosen is None and options.table_bits is not None:
        raise InputError(f"--table-bits: {recipe.name} has 8 bits throughout; leave it out.")
    return chosen or WeightBits.of_recipe(recipe, layers)


def widen_layers(bits: WeightBits, ranked: Sequence[int], count: int) -> WeightBits:
    """Four bits for the first `count` of the `ranked` layers, where they have two."""
    wide = set(ranked[:count])
    widths = tuple(
        max(width, 4) if layer in wide else width for layer, width in enumerate(bits.matrix_bits)
    )
    return msgspec.structs.replace(bits, matrix_bits=widths)


def choose_stages(options: QatOptions, recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a run: those of the chain, then the width that is wanted.

    Raises InputError for widths that there are not, or that the recipe's file does not hold.
    """
    last = choose_width(options, recipe)
    course = COURSES[last]
    chain = _read_chain(options.chain or ())
    if any(width.count <= last.count for width in chain):
        raise InputError(f"--chain leads to {last.value} from more bits; give such as 4,3.")
    on_the_way = _settings(options, course, options.chain_epochs)
    final = _settings(options, course, options.epochs or course.epochs)
    return (*(Stage(width, on_the_way) for width in chain), Stage(last, final))


def choose_width(options: QatOptions, recipe: Recipe) -> Width:
    """The width of the matrices: the recipe's, or a narrower one that the user wants."""
    own = FILE_WIDTHS[recipe.weight_bits]
    if options.width is None:
        return own
    width = _read_width(options.width)
    if width.count > own.count:
        raise InputError(
            f"--width {width.value}: {recipe.name} holds {own.value} bits; give fewer, or another "
            "recipe."
        )
    return width


def _settings(options: QatOptions, course: Course, epochs: int) -> TrainingSettings:
    rate = options.learning_rate or course.learning_rate
    chosen = msgspec.structs.replace(options, epochs=epochs, learning_rate=rate)
    settings = chosen.settings
    if settings.freeze != "embeddings":
        raise InputError(
            f"--freeze {settings.freeze}: tables stay on the grid that they start on; leave it out."
        )
    return settings


def _read_chain(names: tuple[str, ...]) -> tuple[Width, ...]:
    return () if names == ("none",) else tuple(map(_read_width, names))


def _read_width(text: str) -> Width:
    try:
        return Width(text)
    except ValueError:
        names = ", ".join(width.value for width in Width)
        raise InputError(f"{text[:40]!r} is no width of weights; give one of {names}.") from None
