"""LayerNorm in numpy, with the values on its way that calibration reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import LayerNormWeights
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class NormValues:
    """A LayerNorm of rows [n, channels], value by value; `variance` is [n, 1].

    `unit` has mean 0 and variance 1; `scaled` is that times gamma, `output` that plus beta.
    """

    input: FloatArray
    centred: FloatArray
    variance: FloatArray
    unit: FloatArray
    scaled: FloatArray
    output: FloatArray


def apply_layer_norm(norm: LayerNormWeights, rows: FloatArray, epsilon: float) -> NormValues:
    """LayerNorm over the last axis."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    unit = centred / np.sqrt(variance + epsilon)
    scaled = unit * norm.gamma
    return NormValues(rows, centred, variance, unit, scaled, scaled + norm.beta)
