"""The entry to the stage: one function per family of recipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.float16 import convert_float16
from edge_bert.quantize.integer.convert import Calibrated, convert_integer
from edge_bert.quantize.oldest_runtime import OLDEST, convert_for_oldest
from edge_bert.quantize.weights import convert_hybrid
from edge_bert.records.profile import Runtime
from edge_bert.records.recipe import FLOAT16, Recipe

CalibrationInputs = Sequence[dict[str, npt.NDArray[np.int32]]]


def weights(float_model: bytes, recipe: Recipe, runtime: Runtime) -> bytes:
    """A recipe that changes how weights are stored, in the form that `runtime` computes right.

    Raises RefusedError where `runtime` has no form of the recipe.
    """
    if runtime == OLDEST:
        return convert_for_oldest(float_model, recipe)
    if recipe.name == FLOAT16.name:
        return convert_float16(float_model, gathers_float16=True)
    return convert_hybrid(float_model, recipe)


def integer(
    start: Calibrated, lengths: Sequence[int], recipe: Recipe, *, float_output: bool
) -> bytes:
    """A full-integer recipe, a signature for each of `lengths`."""
    return convert_integer(start, lengths, recipe.activation_bits, float_output=float_output)
