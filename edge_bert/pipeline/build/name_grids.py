"""Lines for matrices that training left on a grid and that a build rounds again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_bert.encoder.keras_model import read_weights_of
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.quantize.trained_grids import (
    find_trained_grids,
    name_rewritten,
    name_rounded,
    name_shifted_grids,
)
from edge_bert.records.recipe import RECIPES, Scheme


def name_rounded_grids(session: BuildSession, folder: Path) -> tuple[str, ...]:
    """Lines for the session's recipes of integers, whose files are in `folder`.

    None for what onnx2tf converts, and for integers that training found for a recipe.
    """
    if session.is_opaque:
        return ()
    arrays = read_weights_of(session.pruned or session.checkpoint).arrays
    grids, lines = find_trained_grids(arrays), list(name_shifted_grids(arrays))
    for recipe in session.recipes if grids else ():
        path = folder / f"{recipe.name}.tflite"
        is_known = recipe.scheme is Scheme.FLOAT or session.learned_for(recipe) is not None
        if path.is_file() and not is_known:
            lines += name_rounded(grids, recipe, path.read_bytes())
    return tuple(lines)


def name_rewritten_grids(session: BuildSession, names: Sequence[str]) -> tuple[str, ...]:
    """Lines for those of the ONNX files called `names` that hold integers."""
    arrays = read_weights_of(session.checkpoint).arrays
    grids, lines = find_trained_grids(arrays), list(name_shifted_grids(arrays))
    for name in names:
        lines += () if name.startswith("float") else name_rewritten(grids, name)
        recipe = RECIPES.get(name)
        if recipe is not None and session.learned_for(recipe) is not None:
            lines.append(
                f"{name}: the integers and ranges that training found are for TFLite; the ONNX "
                "file is calibrated anew from the float weights."
            )
    return tuple(lines)
