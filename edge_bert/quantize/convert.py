"""The entry to the stage: one function per family of recipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.convert import convert_integer
from edge_bert.quantize.weights import convert_weights
from edge_bert.records.encoder import EncoderWeights
from edge_bert.records.profile import Runtime
from edge_bert.records.recipe import Recipe

CalibrationInputs = Sequence[dict[str, npt.NDArray[np.int32]]]


def weights(float_model: bytes, recipe: Recipe, runtime: Runtime) -> bytes:
    """A recipe that changes how weights are stored, for `runtime`."""
    del runtime
    return convert_weights(float_model, recipe)


def integer(weights: EncoderWeights, lengths: Sequence[int], inputs: CalibrationInputs) -> bytes:
    """The full-integer recipe, its ranges from `inputs` (each [1, n] by name, not padded)."""
    return convert_integer(weights, lengths, inputs)
