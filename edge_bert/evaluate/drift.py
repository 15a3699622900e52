"""Drift: how far an artifact's outputs are from the float32 artifact's."""

from __future__ import annotations

import numpy as np

from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.records.bundle import Drift
from edge_bert.records.checkpoint import FloatArray


def measure_drift(values: FloatArray, reference: FloatArray) -> Drift:
    """Cosine per row between `values` and `reference`, both [n, width]: its mean and minimum.

    A row is a text's; where a head gives tokens it holds those of all its tokens (`finish_texts`).
    """
    cosines = np.sum(normalize_rows(values) * normalize_rows(reference), axis=-1)
    rounded = tuple(round(float(cosine), 6) for cosine in cosines)
    return Drift(
        cosine_mean=round(float(cosines.mean()), 6),
        cosine_min=min(rounded),
        count=len(rounded),
        cosines=rounded,
    )
