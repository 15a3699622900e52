"""The error of a pruned encoder's outputs against those of the unpruned one."""

from __future__ import annotations

import numpy as np

from edge_bert.records.checkpoint import FloatArray


def output_error(outputs: FloatArray, expected: FloatArray) -> float:
    """Mean squared distance over mean squared length of outputs [sentences, channels].

    For vectors of unit length this is twice 1 - cosine, on average.
    """
    distance = np.square(outputs - expected, dtype=np.float64).sum(axis=-1).mean()
    length = np.square(expected, dtype=np.float64).sum(axis=-1).mean()
    return float(distance / max(float(length), 1e-24))
