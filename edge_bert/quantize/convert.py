"""The entry to the stage: one function per family of recipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.weights import convert_weights
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.profile import Runtime
from edge_bert.records.recipe import Recipe

CalibrationInputs = Sequence[tuple[int, dict[str, npt.NDArray[np.int32]]]]


def weights(float_model: bytes, recipe: Recipe, runtime: Runtime) -> bytes:
    """A recipe that changes how weights are stored, for `runtime`."""
    del runtime
    return convert_weights(float_model, recipe)


def integer(
    checkpoint: Checkpoint, lengths: Sequence[int], recipe: Recipe, inputs: CalibrationInputs
) -> bytes:
    """A full-integer recipe, its ranges from `inputs` (length bucket, tensors by name)."""
    raise NotImplementedError
